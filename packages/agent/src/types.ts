import type { Backoff, Clock, On, Random, Stats, WaitOptions } from '@holdfast/core'
import type { AgentEvents } from './events.ts'
import type { ProcessLike } from './run.ts'

/** What a unit's `start` returns. The results of every `openX` and `startX` fit, and so does a part of your own. */
export interface Startable extends AsyncDisposable {
  drain?(options?: WaitOptions): Promise<void>
  /** Settles when the unit ends by itself: resolves for a wanted end, rejects for a failure. */
  readonly exited?: Promise<unknown> | undefined
}

/**
 * When a unit that ended by itself is started again, in Erlang/OTP's words:
 * `permanent` always, `transient` only after a failure, `temporary` never, not
 * even when what it needs is restarted.
 */
export type RestartType = 'permanent' | 'transient' | 'temporary'

/** One rung of a healing ladder that the user writes: refresh the config, register again. */
export interface Remedy<T = Startable, Needs = object> {
  readonly name: string
  /** Resolves when applied; rejects to go on to the next rung. The signal aborts when the unit is stopped meanwhile, or after `healTimeoutMs`. */
  apply(context: HealContext<T, Needs>): Promise<unknown>
}

export interface HealContext<T, Needs> {
  readonly unit: T
  readonly needs: Needs
  readonly why: unknown
  readonly signal: AbortSignal
}

export type Rung<T = Startable, Needs = object> = Remedy<T, Needs> | 'restart' | 'escalate'

export interface UnitOptions<T = Startable, Needs = object> extends UnitLimits {
  /** @default 'permanent' */
  restart?: RestartType
  /** What `heal` tries, in this order, one rung at each call. @default ['restart', 'escalate'] */
  heal?: readonly Rung<T, Needs>[]
}

/** The knobs of a unit that an agent can preset for all its units. */
export interface UnitLimits {
  /** Milliseconds that `start` may take, > 0; `Infinity` for no limit. @default 30_000 */
  startTimeoutMs?: number
  /** Milliseconds for draining and closing together, > 0; draining gets at most three quarters of it. @default 10_000 */
  stopTimeoutMs?: number
  /** After so many milliseconds up, the next failure counts as the first again, for the backoff and the ladder, ≥ 0. @default 60_000 */
  healthyAfterMs?: number
  /** Milliseconds that one rung of the ladder may take, > 0. @default 30_000 */
  healTimeoutMs?: number
  /** The pause before each restart. @default { minMs: 100, maxMs: intensity.perMs / intensity.max / 2, factor: 2, jitter: 'full' } */
  backoff?: Partial<Backoff>
}

export interface Intensity {
  /** Restarts that are let pass within the window, ≥ 0; the next one escalates. `Infinity` never escalates. */
  max: number
  /** The sliding window, in milliseconds, > 0. */
  perMs: number
}

export interface AgentOptions {
  /** @default { max: 5, perMs: 60_000 } */
  intensity?: Intensity
  /** Milliseconds for stopping everything, > 0: no unit gets more than is left of it. @default 25_000, within Kubernetes' grace of 30 s */
  stopBudgetMs?: number
  /** Presets for every unit; a unit's own options win. */
  units?: UnitLimits
  /** @default systemClock */
  clock?: Clock
  /** For the backoff's jitter. @default Math.random */
  random?: Random
}

export type UnitState = 'down' | 'starting' | 'up' | 'finished' | 'stopping' | 'pausing'

/** How one unit stands. */
export interface UnitStatus {
  readonly state: UnitState
  /** How often it was started again since the agent started. */
  readonly restarts: number
  /** The last failure, kept until the next one. */
  readonly lastError: unknown
}

/** What all running agents have in common, whether nested or not. */
export interface Supervised<Names extends string = string> {
  readonly on: On<AgentEvents>
  /**
   * Climbs the unit's ladder by one rung, and on at once where a rung fails.
   *
   * Resolves to the name of the rung that was applied, after its effect (a
   * restart: when the unit is up again), or to `undefined` where the unit is
   * not up, is being stopped, or every rung failed; never rejects but for an
   * unknown name. Calls during a healing join it.
   */
  heal(unit: Names, why: unknown): Promise<string | undefined>
  /** How each unit stands, in the order of declaration. */
  status(): Readonly<Record<Names, UnitStatus>>
  stats(): Stats
}

/** An agent at work. It fits as a unit of another agent. */
export interface RunningAgent<Names extends string = string> extends Supervised<Names>, AsyncDisposable {
  /** Drains and closes every unit in reverse order within the budget; rejects with `AGENT_STOP_FAILED` where one failed to. Idempotent. */
  close(): Promise<void>
  /** Resolves when it was closed; rejects when it gave up, after everything was stopped. */
  readonly exited: Promise<void>
}

export interface RunOptions {
  /** Its abort drains and stops, as SIGTERM does. */
  signal?: AbortSignal | undefined
  /** Pass Node's `process` to be drained by SIGTERM and SIGINT, ended at once by a second one, and to leave an exit code. */
  process?: ProcessLike | undefined
}

type Taken<K extends string, U> = K extends keyof U ? `a unit named '${K}' stands above` : K

/** An agent's description, and, once started, the agent. `U` maps each unit's name to what its `start` returns. */
export interface Agent<U extends object> extends Supervised<keyof U & string> {
  /**
   * Declares a unit, which may need any that were declared before it. `start`
   * gets the live values of its needs, a signal that aborts when the start is
   * no longer wanted (a value that arrives all the same is closed), and the
   * agent, to `heal` what stands above. Returns this agent, whose type knows
   * one more unit.
   */
  unit<const K extends string, const N extends keyof U & string, T extends Startable>(
    name: Taken<K, U>,
    needs: readonly N[],
    start: (
      needs: { readonly [P in N]: U[P] },
      signal: AbortSignal,
      agent: Supervised<keyof U & string>,
    ) => T | Promise<T>,
    options?: UnitOptions<NoInfer<T>, { readonly [P in N]: U[P] }>,
  ): Agent<U & { readonly [P in K]: T }>
  /**
   * Starts every unit once what it needs is up; resolves when all are. When one
   * fails, aborts the others, stops what was started, and rejects with
   * `AGENT_START_FAILED`; on the signal's abort likewise, with its reason.
   * An agent runs once at a time, and may be started again after it ended.
   */
  start(signal?: AbortSignal): Promise<RunningAgent<keyof U & string>>
  /**
   * Starts, and resolves after a drained stop that the signal or the process asked for.
   * Rejects with `AGENT_START_FAILED`, `AGENT_INTENSITY_EXCEEDED`,
   * `AGENT_HEAL_ESCALATED` or `AGENT_STOP_FAILED`, always after everything was stopped.
   */
  run(options?: RunOptions): Promise<void>
}
