import type { Events } from '@holdfast/core'
import type { Settings } from './options.ts'
import type { Operation } from './state/operations.ts'
import type { Store } from './store/store.ts'
import type { QueueEvents } from './types.ts'

/** What the parts of one open queue share. */
export interface Context<T> {
  readonly settings: Settings<T>
  readonly store: Store
  /** The queue's number in its folder. */
  readonly queue: number
  /** Drawn by this open; part of each id that it gives. */
  readonly epoch: bigint
  readonly events: Events<QueueEvents>
  readonly totals: Totals
  /** What goes with the next commit. */
  readonly operations: Operation[]
  /** Milliseconds on a clock that is set by the wall clock at opening and never goes back, not across opens either. */
  queueTime(): number
  /** Asks for a commit. */
  commit(): void
  /** Something may be ready to be taken. */
  wake(): void
}

export interface Totals {
  /** Stored and unfinished. */
  messages: number
  bytes: number
  /** The same, and what is on its way to the disk: what the limits bound. */
  admittedMessages: number
  admittedBytes: number
  dead: number
  enqueued: number
  duplicates: number
  delivered: number
  acknowledged: number
  retried: number
  released: number
  timedOut: number
  buried: number
  expired: number
  dropped: number
  lost: number
  commits: number
}

export function createTotals(): Totals {
  return {
    messages: 0,
    bytes: 0,
    admittedMessages: 0,
    admittedBytes: 0,
    dead: 0,
    enqueued: 0,
    duplicates: 0,
    delivered: 0,
    acknowledged: 0,
    retried: 0,
    released: 0,
    timedOut: 0,
    buried: 0,
    expired: 0,
    dropped: 0,
    lost: 0,
    commits: 0,
  }
}
