import type { Backoff, Clock, On, Random, Running } from '@holdfast/core'
import type { RecoveryEvents } from './events.ts'
import type { Forecast } from './forecast.ts'
import type { Journal } from './journal/journal.ts'
import type { Problem } from './problems.ts'
import type { Report } from './report.ts'

/** `recovery` is in earnest; `drill` does the same in a scratch folder, lets no traffic in, and stops what it started. */
export type Mode = 'recovery' | 'drill'

/** What a step goes through, in this order; `stop` only after a drill. */
export type Phase = 'state' | 'verify' | 'start' | 'healthy' | 'traffic' | 'stop'

/** What every function of a step is handed. */
export interface StepContext<Needs = object> {
  /**
   * Names this step of this recovery: the same at each attempt and after each
   * resume, and another in every other recovery and drill. Leave it on what is
   * started, so that `state` can find it there.
   */
  readonly key: string
  /** The run's folder: where the state is to be, and in a drill the scratch folder. */
  readonly folder: string
  readonly mode: Mode
  /** The values of the steps that this one needs. */
  readonly needs: Needs
  /** Aborts when the phase's time is up or the run is closed. */
  readonly signal: AbortSignal
}

export interface StartedContext<T, Needs = object> extends StepContext<Needs> {
  /** What `start` returned, or what `state` found. */
  readonly value: T
}

/** The knobs of a step that a plan can preset for all its steps. All times in milliseconds. */
export interface StepLimits {
  /** How often `state`, `verify`, `start` and `traffic` are tried, the first time included, ≥ 1; an error that says it is not `retryable` is the last. @default 1 */
  readonly attempts?: number
  /** The pause before each further attempt. @default { minMs: 1_000, maxMs: 30_000, factor: 2, jitter: 'full' } */
  readonly backoff?: Partial<Backoff>
  /** > 0. @default 30_000 */
  readonly stateTimeoutMs?: number
  /** > 0; `Infinity` for no limit. @default 3_600_000 */
  readonly verifyTimeoutMs?: number
  /** > 0; `Infinity` for no limit. @default 3_600_000 */
  readonly startTimeoutMs?: number
  /** For the step to become healthy, and again for all that it stands on to be healthy at once before traffic, > 0. @default 600_000 */
  readonly healthyTimeoutMs?: number
  /** One call of `healthy`; one that takes longer counts as not healthy, > 0. @default 5_000 */
  readonly checkTimeoutMs?: number
  /** Between two calls of `healthy`, ≥ 0. @default 1_000 */
  readonly pollMs?: number
  /** > 0. @default 60_000 */
  readonly trafficTimeoutMs?: number
  /** > 0. @default 60_000 */
  readonly stopTimeoutMs?: number
  /** How long a call whose signal was aborted may take to end, ≥ 0. @default 5_000 */
  readonly graceMs?: number
}

/** One service, or whatever else comes back as one. */
export interface Step<Tier extends number, N extends string, T, Needs> extends StepLimits {
  /** Whose RTO it has to meet. Lower numbers get slots first. */
  readonly tier: Tier
  /** Steps above, which are ready before this one begins. */
  readonly needs: readonly N[]
  /** How long it takes from begin to ready, in milliseconds, ≥ 0: a guess until a drill has measured it. */
  readonly expectMs: number
  /**
   * Tells whether it has been started: the value that `start` returned or
   * would return, or `undefined`. Asked before every start. It has to look at
   * the thing itself, not at a record of it: it alone knows what a process
   * that was killed had done. Where it rejects, nothing is started.
   */
  readonly state: (context: StepContext<Needs>) => Promise<T | undefined>
  /** Rejects where what it would be started from is not to be trusted: it is then not started. */
  readonly verify?: (context: StepContext<Needs>) => Promise<unknown>
  /**
   * Starts it, and returns what those that need it are handed: never
   * `undefined`. Not called again before the last call has settled.
   */
  readonly start: (context: StepContext<Needs>) => Promise<T>
  /** Whether it works now. Asked again and again; false and a rejection both mean not yet. */
  readonly healthy: (context: StartedContext<NoInfer<T>, Needs>) => Promise<boolean>
  /** Lets its users in. May be called again after a crash, so twice must be the same as once. Never called in a drill. */
  readonly traffic?: (context: StartedContext<NoInfer<T>, Needs>) => Promise<unknown>
  /** Ends what a drill started, after the drill, dependents first. Never called in a recovery. */
  readonly stop?: (context: StartedContext<NoInfer<T>, Needs>) => Promise<unknown>
}

export interface PlanOptions<Rto extends Readonly<Record<number, number>>> {
  /** The recovery time objective of each tier, in milliseconds since the disaster was declared, > 0. */
  readonly rtoMs: Rto
  /** How many steps are at work at the same time, ≥ 1; `Infinity` for no bound. @default 4 */
  readonly slots?: number
  /** Presets for every step; a step's own win. */
  readonly steps?: StepLimits
  /** @default systemClock */
  readonly clock?: Clock
  /** For the backoff's jitter and the run's name. @default Math.random */
  readonly random?: Random
}

/** Measured milliseconds from begin to ready, by step: `report.figures` of an earlier run. Steps without one are expected to take their `expectMs`. */
export type Figures = Readonly<Record<string, number>>

export interface RunOptions {
  readonly mode: Mode
  /** Handed to every step. A drill's must hold nothing that is needed. */
  readonly folder: string
  /** A new one for each recovery and each drill; the same one to go on where a run was cut off. */
  readonly journal: Journal
  /**
   * When the disaster was declared, in wall-clock milliseconds: the RTO counts
   * from then. A run that is resumed keeps the time of its journal. @default now
   */
  readonly declaredAt?: number
  /** Of an earlier drill, for the forecast and the order. */
  readonly figures?: Figures | undefined
  /** Its abort ends the run as `close` does. */
  readonly signal?: AbortSignal | undefined
}

/** A recovery or drill at work. */
export interface RunningRecovery extends Running {
  readonly on: On<RecoveryEvents>
  /** How far it is. */
  report(): Report
  /** Resolves when nothing is left to do, whatever came of it. Rejects with the reason where the run was closed or aborted. */
  readonly finished: Promise<Report>
  /** Resolves when every step is ready; rejects with `RECOVERY_INCOMPLETE` when one is not. */
  readonly exited: Promise<void>
  /** Aborts what is in hand and begins nothing more; what was started stays up, but in a drill, where it is stopped. The same journal resumes a recovery. */
  close(): Promise<void>
}

type Taken<K extends string, U> = K extends keyof U ? `a step named '${K}' stands above` : K

/** What is to come back, and in which order. `U` maps each step's name to its value. */
export interface Plan<U extends object, Tier extends number> {
  readonly on: On<RecoveryEvents>
  /**
   * Declares a step. It may need only what stands above it, so no cycle can be
   * written. Returns this plan, whose type knows one more step.
   *
   * Throws `RECOVERY_STEP_MISSING` for a need that does not stand above, and a
   * `TypeError` or `RangeError` for a bad option.
   */
  step<const K extends string, const N extends keyof U & string, T extends NonNullable<unknown>>(
    name: Taken<K, U>,
    step: Step<Tier, N, T, { readonly [P in N]: U[P] }>,
  ): Plan<U & { readonly [P in K]: T }, Tier>
  /** The steps that could be at work at the same time, were there slots enough: each wave needs only those before it. */
  waves(): readonly (readonly (keyof U & string)[])[]
  /** When each step and each tier would be ready, counted from the first begin. */
  forecast(figures?: Figures): Forecast
  /** What is wrong with the plan before anything runs. A run is not kept from starting by it. */
  problems(figures?: Figures): readonly Problem[]
  /**
   * Starts, or resumes what the journal holds. Resolves when that is on disk and the work has begun.
   *
   * A plan runs once at a time, else `RECOVERY_ALREADY_RUNNING`.
   * `JOURNAL_ENDED` where the journal's run is over, `JOURNAL_OF_ANOTHER` where
   * it was begun in another mode or folder, and whatever the journal rejects with.
   */
  start(options: RunOptions): Promise<RunningRecovery>
  /** Starts, and resolves when nothing is left to do. A step that failed does not reject it: `report.outcome` tells. */
  run(options: RunOptions): Promise<Report>
}
