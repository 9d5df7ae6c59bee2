import type { On, Running, Stats, WaitOptions } from '@holdfast/core'
import type { Entry } from '../store.ts'
import type { ViewChange } from './change.ts'

/**
 * What stands under a key or prefix of a store, kept current in memory.
 *
 * It shows one revision of the store at a time: every write that was one
 * transaction appears at once. While the store is away it keeps what it had and
 * tells by `staleMs` how old that may be; it never empties by itself. Entries are
 * shared with every reader: don't change their bytes.
 */
export interface View extends Running {
  /** All entries, in the byte order of keys. The same array until something changes, and never changed itself. */
  entries(): readonly Entry[]
  get(key: string): Entry | undefined
  readonly size: number
  /** The revision shown: all events up to it are in, and none after it. */
  readonly revision: number
  readonly clusterId: string
  /**
   * For how many milliseconds at most the view may have been behind the store: the time since
   * a linearizable read was sent whose findings the view is proven to hold. Counts suspended time.
   */
  readonly staleMs: number
  /** Whether a watch is open now. `closed` is final; the entries stay readable. */
  readonly status: 'connected' | 'disconnected' | 'closed'
  /**
   * Every change from this call on, in order, once: nothing can come between it and an
   * `entries()` in the same turn. A consumer that lets more than `maxPending` wait gets
   * one difference marked `lagged` instead. Ends when the view is closed; rejects with the
   * signal's reason, and with `STORE_CLOSED` when the store was closed under the view.
   */
  changes(options?: ChangesOptions): AsyncIterableIterator<ViewChange>
  /**
   * Resolves when the view holds all that had been written before this call, which leaves `revision`
   * as it is where nothing that is selected was written. Rejects with the
   * store's error when the read behind it fails, and with `VIEW_CLOSED`.
   */
  confirm(options?: WaitOptions): Promise<void>
  readonly on: On<ViewEvents>
  /** Resolves after `close()`. Rejects with `STORE_CLOSED` when the store was closed under the view. */
  readonly exited: Promise<void>
  stats(): Stats
}

export interface ViewEvents {
  /** The view already shows it. */
  changed(change: ViewChange): void
  /** `staleMs` went over `maxStaleMs`. Told once until `current`. */
  stale(staleMs: number): void
  /** Proven current again after `stale`. */
  current(): void
  connected(): void
  /** The watch broke; it is tried again until closed. Told once until `connected`. */
  disconnected(error: unknown): void
}

export interface ChangesOptions extends WaitOptions {
  /** How many changes may wait one by one, ≥ 1. @default 1_000 */
  maxPending?: number
}
