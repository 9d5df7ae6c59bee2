import { createEvents, isHoldfastError, type Stats } from '@holdfast/core'
import { coordinationError } from '../errors.ts'
import type { CoordinationStore } from '../store.ts'
import type { ViewChange } from './change.ts'
import { createConfirms } from './confirms.ts'
import { createCurrency } from './currency.ts'
import { createFeed, type Feed } from './feed.ts'
import { createFollower } from './follower.ts'
import { type CheckedViewOptions, checkMaxPending } from './options.ts'
import { createProver } from './prover.ts'
import { createReads } from './reads.ts'
import { createReplica } from './replica.ts'
import type { View, ViewEvents } from './view.ts'

export interface StartedView {
  readonly view: View
  /** Resolves at the first connection; rejects as soon as there can be none. */
  readonly opened: Promise<void>
  /** What broke the last attempt to connect. */
  lastError(): unknown
}

/** Puts the parts of a view together and sets them going. */
export function startView(store: CoordinationStore, options: CheckedViewOptions): StartedView {
  const { clock, maxStaleMs } = options
  const events = createEvents<ViewEvents>()
  const feeds = new Set<Feed>()
  const counts = { changes: 0, resyncs: 0, disconnects: 0, failedReads: 0 }
  const stop = new AbortController()
  const opened = createDeferred()
  const exited = createDeferred()
  const confirms = createConfirms()
  const replica = createReplica()
  const reads = createReads(clock)
  const currency = createCurrency(onProven)
  const common = { store, options, replica, currency, reads }
  const follower = createFollower({ ...common, publish, onConnected, onDisconnected })
  const prover = createProver({
    ...common,
    isConnected: () => follower.isConnected,
    isStale: () => staleMs() > maxStaleMs,
    distrust: follower.distrust,
    onProbeFailed,
    onCompareFailed,
  })
  let isOpen = false
  let isTold = false
  let lastError: unknown
  /** Aborts when the view is current again; there while it is stale. */
  let stale: AbortController | undefined
  let loops: Promise<unknown> = follower.run(stop.signal).catch(end)

  const view: View = {
    entries: replica.entries,
    get: replica.get,
    get size() {
      return replica.size
    },
    get revision() {
      return replica.revision
    },
    get clusterId() {
      return replica.clusterId
    },
    get staleMs() {
      return staleMs()
    },
    get status() {
      if (stop.signal.aborted) return 'closed'
      return follower.isConnected ? 'connected' : 'disconnected'
    },
    changes,
    confirm,
    on: events.on,
    exited: exited.promise,
    stats,
    close,
    [Symbol.asyncDispose]: close,
  }
  return { view, opened: opened.promise, lastError: () => lastError }

  function staleMs(): number {
    const { sentMs, sentUptimeMs } = currency.proven
    // The monotonic clock stands still while the host is suspended; uptime goes on, in steps of 10 ms.
    return Math.max(clock.now() - sentMs, clock.uptime() - sentUptimeMs - 10)
  }

  function changes({ signal, maxPending }: Parameters<View['changes']>[0] = {}): ReturnType<View['changes']> {
    const feed = createFeed({
      maxPending: checkMaxPending(maxPending),
      get: replica.get,
      revision: () => replica.revision,
      onEnd: () => {
        feeds.delete(feed)
        signal?.removeEventListener('abort', abort)
      },
    })
    const abort = (): void => feed.changes.end(signal?.reason)
    feeds.add(feed)
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted) abort()
    if (stop.signal.aborted) feed.changes.end()
    return feed.changes
  }

  async function confirm({ signal }: Parameters<View['confirm']>[0] = {}): Promise<void> {
    signal?.throwIfAborted()
    if (stop.signal.aborted) throw viewClosed()
    const confirmed = confirms.wait(reads.sent, signal)
    prover.wake()
    await confirmed
  }

  function publish(change: ViewChange): void {
    counts.changes += 1
    if (change.resync) counts.resyncs += 1
    for (const feed of feeds) feed.push(change)
    events.emit('changed', change)
  }

  function onConnected(): void {
    isTold = false
    if (isOpen) prover.reconnected()
    else open()
    events.emit('connected')
  }

  function open(): void {
    isOpen = true
    loops = Promise.all([loops, prover.prove(stop.signal), prover.compare(stop.signal), watchStaleness()])
    opened.resolve()
  }

  function onDisconnected(error: unknown): void {
    lastError = error
    prover.disconnected()
    if (isOpen) tellDisconnected(error)
    else if (isHoldfastError(error) && !error.retryable && error.code !== 'WATCH_COMPACTED')
      opened.reject(error)
  }

  function tellDisconnected(error: unknown): void {
    if (isTold) return
    isTold = true
    counts.disconnects += 1
    events.emit('disconnected', error)
  }

  function onProbeFailed(error: unknown): void {
    counts.failedReads += 1
    confirms.failed(reads.sent, error)
  }

  function onCompareFailed(): void {
    counts.failedReads += 1
  }

  function onProven(): void {
    confirms.proven(currency.proven.number)
    if (!stale) return
    stale.abort()
    stale = undefined
    // In so long a time a store can be restored from a backup and overtake the revision shown, unseen by reads.
    prover.compareNow()
    events.emit('current')
  }

  async function watchStaleness(): Promise<void> {
    while (!stop.signal.aborted) {
      const leftMs = maxStaleMs - staleMs()
      // Over the bound means more than the bound: a fraction more is the least that a timer tells.
      if (leftMs >= 0) await clock.sleep(leftMs + 1, stop.signal)
      else {
        const episode = new AbortController()
        stale = episode
        events.emit('stale', staleMs())
        await clock.sleep(Number.POSITIVE_INFINITY, episode.signal)
      }
    }
  }

  function end(error?: unknown): void {
    if (stop.signal.aborted) return
    stop.abort()
    stale?.abort()
    for (const feed of [...feeds]) feed.changes.end(error)
    confirms.failed(Number.POSITIVE_INFINITY, error ?? viewClosed())
    opened.reject(error ?? viewClosed())
    if (error === undefined) exited.resolve()
    else exited.reject(error)
  }

  async function close(): Promise<void> {
    end()
    await loops
  }

  function stats(): Stats {
    return {
      view_entries: { kind: 'gauge', help: 'Entries shown', value: replica.size },
      view_revision: { kind: 'gauge', help: 'Revision shown', value: replica.revision },
      view_stale_ms: {
        kind: 'gauge',
        help: 'Milliseconds since the view was proven current',
        value: staleMs(),
      },
      view_connected: { kind: 'gauge', help: '1 while a watch is open', value: follower.isConnected ? 1 : 0 },
      view_changes_total: { kind: 'counter', help: 'Changes shown', value: counts.changes },
      view_resyncs_total: { kind: 'counter', help: 'Changes shown as one difference', value: counts.resyncs },
      view_disconnects_total: { kind: 'counter', help: 'Watches that broke', value: counts.disconnects },
      view_reads_total: { kind: 'counter', help: 'Reads sent that prove currency', value: reads.sent },
      view_failed_reads_total: { kind: 'counter', help: 'Reads that failed', value: counts.failedReads },
    }
  }
}

function viewClosed(): Error {
  return coordinationError('VIEW_CLOSED', 'the view was closed: open a new one')
}

interface Deferred {
  readonly promise: Promise<void>
  resolve(): void
  reject(error: unknown): void
}

function createDeferred(): Deferred {
  let resolve!: () => void
  let reject!: (error: unknown) => void
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  // Whoever awaits it hears of a failure; nobody has to, and that must not end the process.
  promise.catch(() => undefined)
  return { promise, resolve, reject }
}
