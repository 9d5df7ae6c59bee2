import { coordinationError, type LeaseGrant } from '@holdfast/coordination'
import type { Clock } from '@holdfast/core'
import type { ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from 'etcd3'
import type { ClientStream, Connection } from './connection.ts'
import { createDeadlines } from './deadlines.ts'
import { toNumber } from './int64.ts'
import { createOutbox, type Outbox } from './outbox.ts'

/** All renewals of one connection, on one stream, with one timer for their deadlines. */
export interface KeepAlives {
  /**
   * Sends one renewal, within 40 ms; each call sends its own, so that its answer is younger than the call.
   * Rejects with STORE_UNAVAILABLE where it is not answered in time, and then breaks the
   * connection if nothing else was heard since either.
   */
  renew(leaseId: string, signal?: AbortSignal): Promise<LeaseGrant>
}

export interface KeepAlivesOptions {
  connection: Connection
  timeoutMs: number
  clock: Clock
}

interface Renewal {
  readonly sentMs: number
  settled: boolean
  resolve(grant: LeaseGrant): void
  reject(reason: unknown): void
}

interface Stream extends ClientStream<ILeaseKeepAliveRequest> {
  readonly outbox: Outbox<string>
}

/** With thousands of leases, writes and answers come in groups; for a lease of seconds it is nothing. */
const gatherMs = 40

export function createKeepAlives({ connection, timeoutMs, clock }: KeepAlivesOptions): KeepAlives {
  /** etcd answers in the order of the requests, so an answer belongs to the oldest renewal of its lease. */
  const unanswered = new Map<string, Renewal[]>()
  const deadlines = createDeadlines<Renewal>({ timeoutMs, clock, onOverdue: overdue })
  let opening: Promise<Stream> | undefined
  let outbox: Outbox<string> | undefined

  return {
    async renew(leaseId, signal) {
      signal?.throwIfAborted()
      opening ??= open()
      const stream = await opening
      if (connection.broken) throw connection.broken
      return await new Promise<LeaseGrant>((resolve, reject) => {
        const renewal = track(leaseId, resolve, reject)
        if (signal) rejectOnAbort(renewal, signal)
        stream.outbox.send(leaseId)
      })
    },
  }

  function open(): Promise<Stream> {
    const stream = openStream()
    stream.catch(() => {
      opening = undefined // Its callers have the error; the next one opens another.
    })
    return stream
  }

  async function openStream(): Promise<Stream> {
    const stream = await connection.stream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>({
      what: 'keep-alive',
      open: ({ leaseClient }, options) => leaseClient.leaseKeepAlive(options),
      isIdle: () => unanswered.size === 0,
      onData: answered,
      onBroken: broken,
    })
    outbox = createOutbox({ gatherMs, clock, write: (ID) => stream.write({ ID }) })
    return { ...stream, outbox }
  }

  function track(leaseId: string, resolve: Renewal['resolve'], reject: Renewal['reject']): Renewal {
    const renewal: Renewal = { sentMs: clock.now(), settled: false, resolve, reject }
    const earlier = unanswered.get(leaseId)
    if (earlier) earlier.push(renewal)
    else unanswered.set(leaseId, [renewal])
    deadlines.add(renewal)
    return renewal
  }

  function answered({ ID, TTL }: ILeaseKeepAliveResponse): void {
    const queue = unanswered.get(ID)
    const oldest = queue?.shift()
    if (queue?.length === 0) unanswered.delete(ID)
    if (oldest) {
      oldest.settled = true
      const ttlMs = toNumber(TTL) * 1_000
      if (ttlMs > 0) oldest.resolve({ leaseId: ID, ttlMs })
      else oldest.reject(leaseNotFound(ID))
    }
    if (unanswered.size === 0) connection.settled()
  }

  function overdue(renewal: Renewal): void {
    const problem = `${connection.endpoint}: keepAlive: no answer within ${timeoutMs} ms`
    const error = coordinationError('STORE_UNAVAILABLE', problem)
    settle(renewal, error)
    if (connection.heardMs < renewal.sentMs) connection.break(error)
  }

  function broken(error: Error): void {
    opening = undefined
    deadlines.clear()
    outbox?.clear()
    const renewals = [...unanswered.values()].flat()
    unanswered.clear()
    for (const renewal of renewals) settle(renewal, error)
  }
}

function rejectOnAbort(renewal: Renewal, signal: AbortSignal): void {
  const abort = (): void => settle(renewal, signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  const { resolve, reject } = renewal
  const forget = (): void => signal.removeEventListener('abort', abort)
  renewal.resolve = (grant) => {
    forget()
    resolve(grant)
  }
  renewal.reject = (reason) => {
    forget()
    reject(reason)
  }
}

function settle(renewal: Renewal, reason: unknown): void {
  if (renewal.settled) return
  renewal.settled = true
  renewal.reject(reason)
}

function leaseNotFound(leaseId: string): Error {
  const problem = `lease ${leaseId} expired or was revoked: grant a new one`
  return coordinationError('LEASE_NOT_FOUND', problem, { fields: { leaseId } })
}
