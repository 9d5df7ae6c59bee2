import { backoffMs, isHoldfastError } from '@holdfast/core'
import { coordinationError } from '../errors.ts'
import type { CoordinationStore, WatchBatch } from '../store.ts'
import type { ResyncReason, ViewChange } from './change.ts'
import type { Currency, Judgement } from './currency.ts'
import type { CheckedViewOptions } from './options.ts'
import type { Reads } from './reads.ts'
import type { Replica } from './replica.ts'

/** Keeps a watch open and feeds the replica from it. */
export interface Follower {
  readonly isConnected: boolean
  /** Connects again and again until the signal aborts. Rejects with `STORE_CLOSED` alone. */
  run(signal: AbortSignal): Promise<void>
  /** The replica cannot be trusted any more: the next connection begins with a snapshot, and it begins now. */
  distrust(reason: ResyncReason): void
}

export interface FollowerOptions {
  store: CoordinationStore
  options: CheckedViewOptions
  replica: Replica
  currency: Currency
  reads: Reads
  publish: (change: ViewChange) => void
  onConnected: () => void
  onDisconnected: (error: unknown) => void
}

export function createFollower(parts: FollowerOptions): Follower {
  const { store, options, replica, currency, reads, publish } = parts
  const { selection, backoff, clock, random } = options
  let gap: ResyncReason | 'unopened' | undefined = 'unopened'
  let connection: AbortController | undefined
  let connectedMs: number | undefined

  return {
    get isConnected() {
      return connectedMs !== undefined
    },
    run,
    distrust(reason) {
      gap ??= reason
      connection?.abort(unavailable(`the view starts anew: ${reason}`))
    },
  }

  async function run(stop: AbortSignal): Promise<void> {
    for (let failures = 1; !stop.aborted; failures += 1) {
      const error = await connect(stop).catch((reason: unknown) => reason)
      // Only a connection that lasted starts the pauses from the shortest one.
      if (connectedMs !== undefined && clock.now() - connectedMs >= backoff.maxMs) failures = 1
      connectedMs = undefined
      if (stop.aborted) return
      if (isHoldfastError(error, 'STORE_CLOSED')) throw error
      if (isHoldfastError(error, 'WATCH_COMPACTED')) gap ??= 'compacted'
      parts.onDisconnected(error)
      await clock.sleep(backoffMs(backoff, failures, random), stop)
    }
  }

  /** Never resolves: a connection ends with the error that broke it. */
  async function connect(stop: AbortSignal): Promise<never> {
    const scope = new AbortController()
    const abort = (): void => scope.abort(stop.reason)
    stop.addEventListener('abort', abort, { once: true })
    connection = scope
    try {
      if (gap) await adoptSnapshot(gap, scope.signal)
      return await watchOn(scope.signal)
    } finally {
      stop.removeEventListener('abort', abort)
      connection = undefined
    }
  }

  async function adoptSnapshot(reason: ResyncReason | 'unopened', signal: AbortSignal): Promise<void> {
    const read = reads.begin()
    const snapshot = await store.range(selection, { signal })
    signal.throwIfAborted()
    gap = undefined
    const change = replica.adopt(snapshot, reason === 'unopened' ? undefined : reason)
    if (change) publish(change)
    currency.restart(read, { revision: snapshot.revision, count: snapshot.count })
  }

  async function watchOn(signal: AbortSignal): Promise<never> {
    // Beginning with the revision that is known already, so that a compaction beyond it is told: etcd
    // serves a watch from the compacted revision itself without its deletions (etcd-io/etcd#18089).
    await using watch = await store.watch(selection, { fromRevision: replica.revision, signal })
    const end = (): void => void watch.close()
    signal.addEventListener('abort', end, { once: true })
    try {
      signal.throwIfAborted()
      checkCluster(watch.started.clusterId)
      connectedMs = clock.now()
      parts.onConnected()
      for await (const batch of watch) receive(batch)
    } finally {
      signal.removeEventListener('abort', end)
    }
    signal.throwIfAborted()
    throw unavailable('the watch ended')
  }

  function receive(batch: WatchBatch): void {
    checkCluster(batch.clusterId)
    if (batch.revision <= replica.revision) {
      checkPast(batch)
      return
    }
    // That it tells of this revision says that all before it has been told.
    check(currency.reached(batch.revision - 1, replica.size))
    if (batch.events.length > 0) currency.show(batch.revision)
    const change = replica.apply(batch)
    if (change) publish(change)
    check(currency.reached(batch.revision, replica.size))
  }

  /** The revision shown is told once more by each new watch: another content there means another past. */
  function checkPast(batch: WatchBatch): void {
    if (batch.revision < replica.revision || replica.holds(batch)) return
    gap ??= 'rolled-back'
    throw unavailable('the store was restored and has another past')
  }

  function check(judgement: Judgement): void {
    if (judgement === 'sound') return
    gap ??= 'diverged'
    throw unavailable('the watch left a deletion out')
  }

  function checkCluster(clusterId: string): void {
    if (clusterId === replica.clusterId) return
    gap ??= 'replaced'
    throw unavailable(`cluster ${clusterId} answers in the place of ${replica.clusterId}`)
  }
}

function unavailable(message: string): Error {
  return coordinationError('STORE_UNAVAILABLE', message)
}
