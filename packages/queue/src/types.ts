import type { Backoff, Clock, On, Random, Running, Stats, WaitOptions } from '@holdfast/core'
import type { Codec } from './codec.ts'

/**
 * What an accepted message survives: `fsync` a power cut, `os` the death of
 * the process, but not that of the host.
 */
export type Durability = 'fsync' | 'os'

/** What an enqueue does when a limit is reached. */
export type Overflow = 'block' | 'reject' | 'drop-oldest'

export interface Limits {
  /** Messages waiting, delayed or in flight, ≥ 1. The dead letter is not counted. @default Infinity */
  messages?: number
  /** Their payloads in bytes, ≥ 1. @default Infinity */
  bytes?: number
  /**
   * `block` makes the enqueue wait for room, `reject` fails it with
   * `QUEUE_FULL`, `drop-oldest` drops the oldest message of the lowest
   * priority that is not in flight.
   * @default 'block'
   */
  onFull?: Overflow
}

export interface QueueOptions<T> {
  /** Queues of different names live side by side in one folder, also in one process. @default 'default' */
  name?: string
  /** Turns values into bytes and back. @default jsonCodec */
  codec?: Codec<T>
  /** @default 'fsync' */
  durability?: Durability
  limits?: Limits
  /** The largest payload in bytes, ≥ 1, ≤ 512 MiB. @default 16 MiB */
  maxMessageBytes?: number
  /** How long a taken job is hidden from others, in milliseconds, > 0. @default 30_000 */
  visibilityTimeoutMs?: number
  /** Deliveries of one message before it goes to the dead letter, ≥ 1, ≤ 65_535. @default 8 */
  maxAttempts?: number
  /** Jobs that may be out at once, ≥ 1. A take beyond that waits. @default 10_000 */
  maxInFlight?: number
  /** The pause before a retry that names none. @default from 1 s to 5 min, doubling, full jitter */
  backoff?: Partial<Backoff>
  /** For how long a key is remembered, in milliseconds, ≥ 1. @default 300_000 */
  dedupeWindowMs?: number
  /** Creates the folder, and the database in it, where there is none; else that is `QUEUE_MISSING`. @default true */
  createIfMissing?: boolean
  /**
   * What to do with files that cannot be read: `quarantine` sets them aside,
   * starts, and tells in `recovery`; `fail` rejects with `QUEUE_CORRUPT`.
   * @default 'quarantine'
   */
  onCorruption?: 'quarantine' | 'fail'
  /**
   * Bytes kept in a file beside the data, given back to LevelDB when the disk
   * is full so that what is held can still be drained. 0 for none. @default 8 MiB
   */
  ballastBytes?: number
  /** @default systemClock */
  clock?: Clock
  /** Draws jitter. @default Math.random */
  random?: Random
}

export interface EnqueueOptions {
  /** A second enqueue with the same key within the window stores nothing and gets the first one's id. At most 1,024 characters. */
  key?: string
  /** Delivered so much later, in milliseconds, ≥ 0. Not together with `group`. @default 0 */
  delayMs?: number
  /** An integer from 0 to 9; higher ones are delivered first. @default 0 */
  priority?: number
  /** Messages of one group are delivered one at a time, in order, retries included. At most 1,024 characters. */
  group?: string
  /** Dropped if not delivered within so many milliseconds, > 0. @default Infinity */
  ttlMs?: number
}

export interface Enqueued {
  /** Never issued twice, not by a restored or cloned folder either. */
  readonly id: string
  /** Whether the key was known: nothing was stored, and `id` is that of the first one. */
  readonly duplicate: boolean
}

export interface TakeOptions extends WaitOptions {
  /** At most so many jobs, ≥ 1. @default 1 */
  max?: number
  /** How long to wait for the first one, in milliseconds, ≥ 0; `Infinity` for ever. @default 0 */
  waitMs?: number
  /** Overrides the queue's own, in milliseconds, > 0. */
  visibilityTimeoutMs?: number
}

export interface RetryJobOptions {
  /** Milliseconds until it is delivered again, ≥ 0. @default the queue's backoff */
  delayMs?: number
  /** Why; its text is kept and shown in the dead letter. */
  error?: unknown
}

/**
 * A message in hand.
 *
 * Every method resolves once its effect is on disk, to `true`; or to `false`
 * if the job is no longer yours: settled already, or its visibility timeout
 * has passed.
 */
export interface Job<T> {
  readonly id: string
  readonly value: T
  /** Which delivery this is, from 1. */
  readonly attempt: number
  /** What an earlier attempt left with `setCheckpoint`. */
  readonly checkpoint?: unknown
  readonly group?: string | undefined
  readonly priority: number
  /** Done: never delivered again. */
  ack(): Promise<boolean>
  /** Failed: delivered again, or put to the dead letter where this was the last attempt. */
  retry(options?: RetryJobOptions): Promise<boolean>
  /**
   * Given back untried: delivered again next, in its old order, and this delivery
   * is not counted as an attempt. For jobs that a stop left in hand; for one that
   * failed there is `retry`, or it never reaches the dead letter.
   */
  release(): Promise<boolean>
  /** The job stays yours for so many milliseconds from now, > 0. Not persisted. */
  extend(ms: number): Promise<boolean>
  /** Hopeless: put to the dead letter at once. */
  bury(error?: unknown): Promise<boolean>
  /** Keeps a small JSON value (≤ 64 KiB) that is delivered with the next attempt. */
  setCheckpoint(data: unknown): Promise<boolean>
}

/** Where a message stands. */
export type Lane = 'ready' | 'delayed' | 'dead'

/** A message looked at without taking it. */
export interface PeekedMessage<T> {
  readonly id: string
  readonly lane: Lane
  readonly value: T
  /** Deliveries so far. */
  readonly attempts: number
  readonly priority: number
  readonly group?: string | undefined
  /** The text of the last failure. */
  readonly error?: string
}

export interface PeekOptions {
  /** @default 'ready' */
  lane?: Lane
  /** At most so many, ≥ 1. @default 100 */
  limit?: number
}

export interface DeadLetterFilter {
  /** Only these. */
  ids?: readonly string[]
  /** At most so many, the oldest first. @default Infinity */
  limit?: number
}

/** Messages that are gone though nobody acknowledged them. */
export interface Loss {
  readonly lane: Lane
  readonly priority: number
  /** The first sequence number that is missing, and the last. */
  readonly from: number
  readonly to: number
  readonly messages: number
  /** Where it was noticed, such as `page missing` or `checksum of message`. */
  readonly reason: string
}

/** What opening had to do. */
export interface Recovery {
  /** Whether the last owner ended without closing. */
  readonly unclean: boolean
  /** Whether LevelDB's own repair ran. */
  readonly repaired: boolean
  /** Names of files set aside in the folder, never deleted. */
  readonly quarantined: readonly string[]
}

export interface Verification {
  readonly pages: number
  readonly messages: number
  readonly losses: readonly Loss[]
}

/** Counts of messages, for programs. */
export interface QueueSize {
  /** Could be taken now, unless their group is busy. */
  readonly ready: number
  /** Were given a time: those that wait for it, and those that it came for and nobody took since. */
  readonly delayed: number
  readonly inFlight: number
  readonly dead: number
  /** Payload bytes of all but the dead. */
  readonly bytes: number
}

export interface QueueEvents {
  /** Messages are gone though nobody acknowledged them. */
  lost(loss: Loss): void
  /** A message used up its attempts or was buried. */
  buried(message: { id: string; attempts: number; error: string }): void
  /** A message outlived its `ttlMs`. */
  expired(id: string): void
  /** A message was dropped by `onFull: 'drop-oldest'`. */
  dropped(id: string): void
  /** A job's visibility timeout passed before it was settled. */
  timedOut(message: { id: string; attempt: number }): void
  /** Writing failed; the database is being reopened. */
  writeFailed(error: unknown): void
  /** Writing works again. */
  resumed(): void
}

/** A durable queue: at least once, first in first out within a priority. */
export interface Queue<T> extends Running {
  readonly name: string
  readonly visibilityTimeoutMs: number
  /** What opening had to do. */
  readonly recovery: Recovery
  readonly on: On<QueueEvents>
  /** A snapshot of the counts, taken at the call. */
  readonly size: QueueSize
  /** Resolves when the message can be taken and is kept as `durability` promises. The signal ends the waiting for room, no more. */
  enqueue(value: T, options?: EnqueueOptions & WaitOptions): Promise<Enqueued>
  /** All of them or none, in order, as one commit. */
  enqueueMany(values: readonly T[], options?: Omit<EnqueueOptions, 'key'> & WaitOptions): Promise<Enqueued[]>
  /** Resolves with what is at hand, up to `max`: with fewer while more is read from disk, with none when the wait is over or the signal aborts. During a drain it waits for that too. */
  take(options?: TakeOptions): Promise<Job<T>[]>
  /** Looks without taking, in order of delivery. */
  peek(options?: PeekOptions): Promise<PeekedMessage<T>[]>
  /** Makes dead messages ready again, their attempts forgotten; resolves to how many. One of a group has lost its place: it may go out after others of the group that came later. */
  requeue(filter?: DeadLetterFilter): Promise<number>
  /** Deletes dead messages; resolves to how many. */
  discard(filter?: DeadLetterFilter): Promise<number>
  /** Reads everything and checks it; changes nothing. */
  verify(): Promise<Verification>
  /** Resolves when nothing is ready, delayed or in flight; rejects with the signal's reason. */
  whenEmpty(options?: WaitOptions): Promise<void>
  /** Refuses enqueues with `QUEUE_DRAINING`, hands out nothing more, and waits for the jobs in flight. */
  drain(options?: WaitOptions): Promise<void>
  stats(): Stats
}
