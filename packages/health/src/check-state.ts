import type { Observation, Status } from './check.ts'
import type { CheckPlan } from './check-plan.ts'

/** How a run ended. Whoever is silent until the timeout has given no answer. */
export type Outcome =
  | { readonly kind: 'passed'; readonly observation: Observation }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'timed-out'; readonly error: unknown }

/** What one check's runs have come to. Times are monotonic milliseconds. */
export interface CheckState {
  readonly verdict: 'unknown' | 'pass' | 'fail'
  /** Whether the verdict was ever `pass`: all that `startup` asks. */
  readonly hasPassed: boolean
  /** Passes in a row. */
  readonly passes: number
  /** Failures in a row, timeouts included. */
  readonly failures: number
  /** When a run last ended, in whatever way. */
  readonly endedAt: number | undefined
  /** When a run last answered: a timeout is no answer, so a check that hangs grows old. */
  readonly answeredAt: number | undefined
  readonly durationMs: number | undefined
  readonly observation: Observation
  /** The latest failure, `undefined` once a run passes. */
  readonly error: unknown
}

export const neverRun: CheckState = {
  verdict: 'unknown',
  hasPassed: false,
  passes: 0,
  failures: 0,
  endedAt: undefined,
  answeredAt: undefined,
  durationMs: undefined,
  observation: {},
  error: undefined,
}

/** The next state after a run ended at `now`. A verdict turns only after so many results of the other kind in a row. */
export function afterRun(
  state: CheckState,
  outcome: Outcome,
  { passAfter, failAfter }: Pick<CheckPlan, 'passAfter' | 'failAfter'>,
  time: { now: number; durationMs: number },
): CheckState {
  const passed = outcome.kind === 'passed'
  const passes = passed ? state.passes + 1 : 0
  const failures = passed ? 0 : state.failures + 1
  const turned = passes >= passAfter ? 'pass' : failures >= failAfter ? 'fail' : state.verdict
  const answered = outcome.kind !== 'timed-out'
  return {
    verdict: turned,
    hasPassed: state.hasPassed || turned === 'pass',
    passes,
    failures,
    endedAt: time.now,
    answeredAt: answered ? time.now : state.answeredAt,
    durationMs: answered ? time.durationMs : state.durationMs,
    observation: passed ? outcome.observation : state.observation,
    error: passed ? undefined : outcome.error,
  }
}

/** What the state is worth at `now`: a pass only as long as its answers are fresh, a failure as long as runs end at all. */
export function statusAt(state: CheckState, rules: Pick<CheckPlan, 'staleAfterMs'>, now: number): Status {
  if (now > staleAfter(state, rules)) return 'unknown'
  if (state.verdict !== 'pass') return state.verdict
  return state.observation.warn ? 'warn' : 'pass'
}

/** The last moment at which the verdict is worth something; a verdict of `unknown` never changes by waiting. */
export function staleAfter(state: CheckState, { staleAfterMs }: Pick<CheckPlan, 'staleAfterMs'>): number {
  if (state.verdict === 'unknown') return Number.POSITIVE_INFINITY
  const since = state.verdict === 'pass' ? state.answeredAt : state.endedAt
  return since === undefined ? Number.NEGATIVE_INFINITY : since + staleAfterMs
}
