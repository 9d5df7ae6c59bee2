import {
  type Backoff,
  type Clock,
  checkBackoff,
  checkFunction,
  checkInteger,
  checkMethods,
  checkNumber,
  checkOneOf,
  checkString,
  type Random,
  systemClock,
} from '@holdfast/core'
import { recoveryError } from './errors.ts'
import type { Timed } from './forecast.ts'
import type {
  Figures,
  PlanOptions,
  RunOptions,
  StartedContext,
  Step,
  StepContext,
  StepLimits,
} from './types.ts'

/** A plan's options, checked, with defaults filled in. */
export interface PlanSettings {
  readonly rtoMs: Readonly<Record<number, number>>
  readonly slots: number
  readonly steps: StepLimits
  readonly clock: Clock
  readonly random: Random
}

export interface Limits extends Required<Omit<StepLimits, 'backoff'>> {
  readonly backoff: Backoff
}

/** A declared step, checked, with defaults filled in; its value's type is the compiler's affair alone. */
export interface StepSpec extends Timed {
  readonly limits: Limits
  readonly state: (context: StepContext) => Promise<unknown>
  readonly verify: ((context: StepContext) => Promise<unknown>) | undefined
  readonly start: (context: StepContext) => Promise<unknown>
  readonly healthy: (context: StartedContext<unknown>) => Promise<boolean>
  readonly traffic: ((context: StartedContext<unknown>) => Promise<unknown>) | undefined
  readonly stop: ((context: StartedContext<unknown>) => Promise<unknown>) | undefined
}

export type AnyStep = Step<number, string, unknown, object>

const positive = { min: Number.MIN_VALUE, max: Number.POSITIVE_INFINITY }

export function checkPlanOptions(options: PlanOptions<Readonly<Record<number, number>>>): PlanSettings {
  const { rtoMs, slots = 4, steps = {}, clock = systemClock, random = Math.random } = options
  for (const [tier, ms] of Object.entries(rtoMs))
    checkNumber(`rtoMs of tier ${tier}`, ms, { min: Number.MIN_VALUE })
  checkLimits('steps', steps)
  return {
    rtoMs: { ...rtoMs },
    slots: checkInteger('slots', slots, { min: 1, max: Number.POSITIVE_INFINITY }),
    steps,
    clock: checkMethods('clock', clock, ['now', 'wall', 'uptime', 'sleep']),
    random: checkFunction('random', random),
  }
}

export function checkStep(
  name: string,
  step: AnyStep,
  above: ReadonlyMap<string, StepSpec>,
  plan: PlanSettings,
): StepSpec {
  checkString('name', name)
  if (above.has(name)) throw new TypeError(`name must be new, got '${name}', which stands above`)
  if (plan.rtoMs[step.tier] === undefined)
    throw new RangeError(`tier of step '${name}' must be one of rtoMs, got ${step.tier}`)
  const missing = step.needs.find((need) => !above.has(need))
  if (missing !== undefined) throw stepMissing(name, missing)
  const of = (option: string): string => `${option} of step '${name}'`
  const optional = <F>(option: string, value: F | undefined): F | undefined =>
    value === undefined ? undefined : checkFunction(of(option), value)
  return {
    name,
    tier: step.tier,
    needs: [...new Set(step.needs)],
    expectMs: checkNumber(of('expectMs'), step.expectMs, { min: 0 }),
    limits: checkLimits(`step '${name}'`, { ...plan.steps, ...step }),
    state: checkFunction(of('state'), step.state),
    verify: optional('verify', step.verify),
    start: checkFunction(of('start'), step.start),
    healthy: checkFunction(of('healthy'), step.healthy),
    traffic: optional('traffic', step.traffic),
    stop: optional('stop', step.stop),
  }
}

export function checkRunOptions(options: RunOptions): RunOptions {
  checkOneOf('mode', options.mode, ['recovery', 'drill'])
  checkString('folder', options.folder)
  checkMethods('journal', options.journal, ['read', 'append'])
  if (options.declaredAt !== undefined) checkNumber('declaredAt', options.declaredAt)
  return { ...options, figures: checkFigures(options.figures) }
}

export function checkFigures(figures: Figures = {}): Figures {
  for (const [step, ms] of Object.entries(figures)) checkNumber(`figures of step '${step}'`, ms, { min: 0 })
  return figures
}

function checkLimits(owner: string, limits: StepLimits): Limits {
  const limit = (
    knob: keyof StepLimits & `${string}Ms`,
    preset: number,
    range: { min: number; max: number } = positive,
  ): number => checkNumber(`${knob} of ${owner}`, limits[knob] ?? preset, range)
  const fromZero = { min: 0, max: Number.POSITIVE_INFINITY }
  return {
    attempts: checkInteger(`attempts of ${owner}`, limits.attempts ?? 1, positive),
    backoff: checkBackoff(`backoff of ${owner}`, { minMs: 1_000, ...limits.backoff }),
    stateTimeoutMs: limit('stateTimeoutMs', 30_000),
    verifyTimeoutMs: limit('verifyTimeoutMs', 3_600_000),
    startTimeoutMs: limit('startTimeoutMs', 3_600_000),
    healthyTimeoutMs: limit('healthyTimeoutMs', 600_000),
    checkTimeoutMs: limit('checkTimeoutMs', 5_000),
    pollMs: limit('pollMs', 1_000, fromZero),
    trafficTimeoutMs: limit('trafficTimeoutMs', 60_000),
    stopTimeoutMs: limit('stopTimeoutMs', 60_000),
    graceMs: limit('graceMs', 5_000, fromZero),
  }
}

function stepMissing(step: string, needs: string): Error {
  return recoveryError(
    'RECOVERY_STEP_MISSING',
    `Step '${step}' needs '${needs}', which does not stand above it: declare that first`,
    { fields: { step, needs } },
  )
}
