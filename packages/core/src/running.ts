/**
 * The shape of everything that runs: what an `openX` or `startX` returns.
 *
 * It already works when that call's promise resolves. Parts fit one another by
 * this structure alone; nothing needs to be imported to have it.
 */
export interface Running extends AsyncDisposable {
  /** Ends it and gives back all it holds. Idempotent: every call returns when the one end is reached. Same as `Symbol.asyncDispose`. */
  close(): Promise<void>
  /** Accepts no new work and finishes what is in hand. The signal ends the waiting, not the drain. */
  drain?(options?: WaitOptions): Promise<void>
  /** Settles when it ends by itself: resolves for a wanted end, rejects for a failure. */
  readonly exited?: Promise<void>
  /** What is worth graphing, read at the call, cheap enough for every scrape. */
  stats?(): Stats
}

export interface WaitOptions {
  signal?: AbortSignal | undefined
}

/** One figure. A counter only grows while the process lives; a gauge goes both ways. */
export interface Stat {
  readonly kind: 'gauge' | 'counter'
  /** One line that tells what is counted. */
  readonly help: string
  readonly value: number
}

/** Figures by name, in snake_case with the unit at the end, as Prometheus names them: `queue_bytes`, `uplink_batches_total`. */
export type Stats = Readonly<Record<string, Stat>>
