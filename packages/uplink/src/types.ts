import type { Backoff, Clock, On, Random, Running, WaitOptions } from '@holdfast/core'
import type { WireFormat } from './ship/format.ts'

/** A message in hand, as `@holdfast/queue` gives it. Each method resolves to `false` where the job is no longer ours. */
export interface UplinkJob<T = unknown> {
  /** The same at every delivery of the message: the receiver's idempotency key. */
  readonly id: string
  readonly value: T
  /** Which delivery this is, from 1. */
  readonly attempt: number
  ack(): Promise<boolean>
  retry(options?: { delayMs?: number; error?: unknown }): Promise<boolean>
  extend(ms: number): Promise<boolean>
  bury(error?: unknown): Promise<boolean>
  /** Gives the job back without counting an attempt. Used instead of `retry` at a stop, where the queue has it. */
  release?(): Promise<boolean>
}

/** Any queue that hands out jobs with a lease on them. */
export interface UplinkQueue<T = unknown> {
  /** Resolves to at least one job, or to none after `waitMs` milliseconds. */
  take(options: { max: number; waitMs: number } & WaitOptions): Promise<readonly UplinkJob<T>[]>
  /** How long a taken job stays ours unless it is extended, in milliseconds. @default 30_000 */
  readonly visibilityTimeoutMs?: number
}

export interface BatchLimits {
  /** Messages in one request, ≥ 1. @default 256 */
  maxMessages?: number
  /** Encoded bytes in one request before compression, ≥ 1. A larger message goes alone. @default 1 MiB */
  maxBytes?: number
  /** How long the first message of a batch waits for others, in milliseconds, ≥ 0. @default 100 */
  maxAgeMs?: number
}

/** When to stop trying for a while, and for how long. */
export interface CircuitOptions {
  /** Failed requests in a row that open it, ≥ 1; `Infinity` never does. @default 5 */
  failures?: number
  /** How long it stays open before one request may try again, in milliseconds, > 0. Doubles while the tries fail. @default 5_000 */
  openMs?: number
  /** It never stays open longer than this, in milliseconds, ≥ `openMs`. @default 60_000 */
  maxOpenMs?: number
}

/** At most `max` messages, or bytes of an upload, per `perMs` milliseconds in the long run, in bursts of at most `max`; no batch holds more. */
export interface Rate {
  /** > 0 */
  max: number
  /** > 0 */
  perMs: number
}

/** PEM. Files are looked at before a request, and read again when they have changed. */
export interface TlsFiles {
  /** The authorities to trust, instead of Node's. */
  caFile?: string
  certFile?: string
  keyFile?: string
  /** The name that the collector's certificate must have. @default the URL's host */
  servername?: string
  /** How often to look at the files at most, in milliseconds, ≥ 0. @default 10_000 */
  checkMs?: number
}

export type Headers = Readonly<Record<string, string>>

export interface UplinkOptions<T = unknown> {
  queue: UplinkQueue<T>
  /** Where to POST: `http:` or `https:`. */
  url: string | URL
  /** Sent with every request; a function is asked before each, for tokens that expire. */
  headers?: Headers | (() => Headers | Promise<Headers>)
  /** @default ndjson */
  format?: WireFormat<T>
  batch?: BatchLimits
  /** Requests in flight, ≥ 1. More than one gives up the order of messages. @default 1 */
  concurrency?: number
  /** `gzip` compresses bodies from 1 KiB on, where that saves a tenth. @default 'gzip' */
  compression?: 'gzip' | 'none'
  /** Milliseconds from the start of a request to the last byte of its answer, > 0. @default 30_000 */
  requestTimeoutMs?: number
  /** The pause after a failed request. A longer Retry-After wins. @default { minMs: 500, maxMs: 60_000, factor: 2, jitter: 'full' } */
  backoff?: Partial<Backoff>
  /**
   * How often in a row one message, alone in its request, may time out, be answered 500 or cut the
   * connection before it goes to the dead letter, ≥ 1. An outage that looks like that counts too.
   * @default Infinity
   */
  attempts?: number
  /** A longer Retry-After counts as this, in milliseconds, ≥ 0. @default 300_000 */
  maxRetryAfterMs?: number
  circuit?: CircuitOptions
  /** @default unlimited */
  rate?: Rate
  /**
   * Which statuses refuse the message itself, for good, so that it goes to the dead letter.
   * @default 4xx, but what a message cannot be blamed for: 401, 403, 404, 405, 407, 408, 421, 425, 429
   */
  refuses?: (status: number) => boolean
  tls?: TlsFiles
  /** @default systemClock */
  clock?: Clock
  /** For the backoff's jitter. @default Math.random */
  random?: Random
}

export interface UplinkEvents {
  /** The collector accepted these messages, and they were acknowledged. */
  shipped(event: { messages: number; bytes: number; durationMs: number }): void
  /** The collector refused a message for good, its attempts are used up, or it could not be encoded: it is in the dead letter. */
  refused(event: { id: string; status?: number; error: unknown }): void
  /** A request failed; its messages are sent again after the pause. */
  retried(event: { messages: number; attempt: number; pauseMs: number; error: unknown }): void
  /** A batch was refused (`status`), or kept failing (`error`): its halves are sent apart, so that one bad message does not hold up or bury the others. */
  split(event: { messages: number; status?: number; error?: unknown }): void
  /** The circuit opened: no request for so long. */
  opened(event: { failures: number; openMs: number; error: unknown }): void
  /** One request may try. */
  halfOpened(): void
  /** A request succeeded; the circuit is closed again. */
  recovered(): void
  /** These messages were given back to the queue, because of a stop or a drain. */
  returned(event: { messages: number }): void
  /** The lease on a message ended while it was in hand: it will be delivered again, under the same id. */
  leaseLost(event: { id: string }): void
  /** Taking from the queue, or settling a job there, failed. */
  queueFailed(event: { action: 'take' | 'ack' | 'bury' | 'extend' | 'return'; error: unknown }): void
  /** The TLS files changed and are in use. */
  tlsReloaded(): void
  /** The TLS files changed, but do not work; those from before stay in use. */
  tlsRejected(event: { error: unknown }): void
}

/** Ships what a queue holds, until closed. */
export interface Uplink extends Running {
  readonly on: On<UplinkEvents>
  /**
   * Takes nothing more from the queue, and ships what is in hand. What fails from then on, or would have
   * to wait for the collector, is given back to the queue. The signal ends the waiting.
   */
  drain(options?: WaitOptions): Promise<void>
  /** Cuts the requests in flight and gives what was not acknowledged back to the queue. */
  close(): Promise<void>
  /** Rejects when the queue can no longer be taken from. */
  readonly exited: Promise<void>
}
