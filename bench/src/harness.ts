/** What a round may use: a fresh empty folder on a real disk, and whether a rough answer is wanted. */
export interface Round {
  readonly quick: boolean
  readonly folder: string
  /** From 0. */
  readonly round: number
}

/** One row of a package's table of targets. */
export interface Row {
  /** Stable and short: `enqueue-1024-fsync`. */
  readonly id: string
  /** One line for a reader. */
  readonly title: string
  readonly unit: string
  /** The target, of the ratio ours ÷ peer or of our own figure. */
  readonly target: { readonly of: 'ratio' | 'ours'; readonly is: '>=' | '<='; readonly value: number }
  /** Whether a rough figure can be had within the minute of `--quick`. */
  readonly quick: boolean
  /** Interleaved rounds, ours and the peer's in turn, after one that is not counted; a single one counts. Quick: at most 3. @default 5 */
  readonly rounds?: number
  ours(round: Round): Promise<number>
  /** The peer, or the raw limit, in the same unit. */
  readonly peer?: { readonly name: string; measure(round: Round): Promise<number> }
  /** Why the row cannot be measured on this machine; undefined when it can. */
  skip?(): Promise<string | undefined>
}

/** What `npm run bench -- NAME` runs. */
export interface Benchmark {
  readonly name: string
  readonly rows: readonly Row[]
}
