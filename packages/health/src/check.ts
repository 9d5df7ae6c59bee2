/**
 * What is asked of a process, as in Kubernetes: has it started (`startup`), may
 * work be sent to it (`ready`), or must it be restarted (`live`)?
 */
export type Gate = 'startup' | 'ready' | 'live'

/** Every gate, in the order in which a starting process passes them. */
export const gates: readonly Gate[] = ['startup', 'ready', 'live']

/** `unknown`: never settled, gone stale, or blocked by another check. */
export type Status = 'pass' | 'warn' | 'fail' | 'unknown'

/** What a check may tell beyond having passed. It is served: put no secret in it. */
export interface Observation {
  /** It passes, but somebody should look. @default false */
  readonly warn?: boolean
  /** One line for a reader. */
  readonly output?: string
  /** What was measured, in `unit`. */
  readonly value?: number
  readonly unit?: string
}

/** When a check runs and what its results count for. */
export interface CheckOptions {
  /** The gates that need it; none means that it is only shown. @default ['ready'] */
  readonly gates?: readonly Gate[]
  /** From the end of one run to the start of the next, in milliseconds, ≥ 1. @default 10_000 */
  readonly intervalMs?: number
  /** A run that takes longer, in milliseconds, ≥ 1, has failed; what it returns later is dropped. @default 5_000 */
  readonly timeoutMs?: number
  /**
   * A pass whose run answered longer ago than this, in milliseconds, is worth nothing: the status
   * is `unknown`. At least `intervalMs + timeoutMs`. @default 2 × intervalMs + timeoutMs
   */
  readonly staleAfterMs?: number
  /** Passes in a row that make it pass, ≥ 1. @default 1 */
  readonly passAfter?: number
  /** Failures in a row that make it fail, ≥ 1. @default 3 */
  readonly failAfter?: number
  /** Names of checks without which this one can't pass: while one of them does not, this one is blocked and does not run. @default none */
  readonly needs?: readonly string[]
  /** Its failure is a warning: no gate fails for it. @default false */
  readonly soft?: boolean
}

export interface Check extends CheckOptions {
  /** Unique among the checks of one `Health`: 1 to 128 characters, none of them a control character. */
  readonly name: string
  /**
   * What it looks at. A `live` check must say `process`: a failing live gate restarts this
   * process, and that heals nothing that is wrong elsewhere. @default 'outside'
   */
  readonly scope?: 'process' | 'outside'
  /**
   * Resolves when all is well, rejects when not. The signal aborts when the time is up, the check
   * is removed or the health is closed. Runs of one check do not overlap, but for those that
   * ignored their signal: of these at most three are left behind, then it is not run again until one ends.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: a check that only awaits a call returns nothing
  run(signal: AbortSignal): Promise<Observation | void>
}

/** One check as it stands, read at the call. */
export interface CheckReport {
  readonly name: string
  readonly status: Status
  /** For how long the status has been this one, in milliseconds; staleness is noticed within a second. */
  readonly sinceMs: number
  readonly gates: readonly Gate[]
  readonly soft: boolean
  /** Whether it has ever passed, which is all that `startup` asks. */
  readonly hasPassed: boolean
  /** The checks at the root of its being blocked: failing, not yet passed, or removed. */
  readonly blockedBy: readonly string[]
  /** One line for a reader; never a message of an error that holdfast did not write. */
  readonly output: string | undefined
  /** The last failure itself, while failures are the latest news. Never served: it may hold secrets. */
  readonly error: unknown
  readonly value: number | undefined
  readonly unit: string | undefined
  /** Failures in a row. */
  readonly failures: number
  /** Milliseconds since a run last answered, whether well or badly. */
  readonly ageMs: number | undefined
  /** How long that run took, in milliseconds. */
  readonly durationMs: number | undefined
}

/** A gate as it stands, read at the call. */
export interface Probe {
  readonly gate: Gate
  /** What to answer who asks: `pass` or `warn`; for `live` all but `fail`, since not knowing is no reason to restart. */
  readonly ok: boolean
  readonly status: Status
  /** For how long the status has been this one, in milliseconds; staleness is noticed within a second. */
  readonly sinceMs: number
  /** Why it is not ok, a line each. */
  readonly why: readonly string[]
  readonly checks: readonly CheckReport[]
}
