import { coordinationError, type LeaseGrant } from '@holdfast/coordination'
import type { HoldfastError } from '@holdfast/core'
import type { ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from 'etcd3'
import type { ClientStream, Connection } from './connection.ts'
import { toNumber } from './int64.ts'

/** All renewals of one connection, on one stream. */
export interface KeepAlives {
  /** Sends one renewal; each call sends its own, so that its answer is younger than the call. */
  renew(leaseId: string): Promise<LeaseGrant>
}

interface Waiting {
  resolve(grant: LeaseGrant): void
  reject(error: HoldfastError): void
}

type Stream = ClientStream<ILeaseKeepAliveRequest>

/** etcd answers in the order of the requests, so the answers for one lease belong to its oldest ones. */
export function createKeepAlives(connection: Connection): KeepAlives {
  const waiting = new Map<string, Waiting[]>()
  let stream: Promise<Stream> | undefined

  return {
    async renew(leaseId) {
      stream ??= open()
      const { write } = await stream
      if (connection.broken) throw connection.broken
      return await new Promise<LeaseGrant>((resolve, reject) => {
        const earlier = waiting.get(leaseId)
        if (earlier) earlier.push({ resolve, reject })
        else waiting.set(leaseId, [{ resolve, reject }])
        write({ ID: leaseId })
      })
    },
  }

  function open(): Promise<Stream> {
    const opening = connection.stream<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>({
      what: 'keep-alive',
      open: ({ leaseClient }, options) => leaseClient.leaseKeepAlive(options),
      isIdle: () => waiting.size === 0,
      onData: answered,
      onBroken: broken,
    })
    opening.catch(() => {
      stream = undefined // Its callers have the error; the next one opens another.
    })
    return opening
  }

  function answered({ ID, TTL }: ILeaseKeepAliveResponse): void {
    const queue = waiting.get(ID)
    const oldest = queue?.shift()
    if (queue?.length === 0) waiting.delete(ID)
    if (waiting.size === 0) connection.settled()
    const ttlMs = toNumber(TTL) * 1_000
    if (ttlMs > 0) oldest?.resolve({ leaseId: ID, ttlMs })
    else oldest?.reject(leaseNotFound(ID))
  }

  function broken(error: HoldfastError): void {
    stream = undefined
    const unanswered = [...waiting.values()].flat()
    waiting.clear()
    for (const { reject } of unanswered) reject(error)
  }
}

function leaseNotFound(leaseId: string): HoldfastError {
  const problem = `lease ${leaseId} expired or was revoked: grant a new one`
  return coordinationError('LEASE_NOT_FOUND', problem, { fields: { leaseId } })
}
