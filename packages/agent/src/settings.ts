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
import { longestCrashLoopMs } from './intensity.ts'
import type {
  AgentOptions,
  Intensity,
  RestartType,
  Rung,
  Startable,
  UnitLimits,
  UnitOptions,
} from './types.ts'

/** An agent's options, checked, with defaults filled in. */
export interface AgentSettings {
  readonly intensity: Intensity
  readonly stopBudgetMs: number
  readonly units: UnitLimits
  readonly clock: Clock
  readonly random: Random
}

/** A declared unit, checked, with defaults filled in. */
export interface UnitSpec {
  readonly name: string
  readonly needs: readonly string[]
  readonly start: (needs: object, signal: AbortSignal) => Startable | Promise<Startable>
  readonly restart: RestartType
  readonly heal: readonly Rung[]
  readonly startTimeoutMs: number
  readonly stopTimeoutMs: number
  readonly healthyAfterMs: number
  readonly healTimeoutMs: number
  readonly backoff: Backoff
}

const positive = { min: Number.MIN_VALUE, max: Number.POSITIVE_INFINITY }

export function checkAgentOptions(options: AgentOptions): AgentSettings {
  const { intensity = { max: 5, perMs: 60_000 }, clock = systemClock, random = Math.random } = options
  checkInteger('intensity.max', intensity.max, { min: 0, max: Number.POSITIVE_INFINITY })
  checkNumber('intensity.perMs', intensity.perMs, { min: Number.MIN_VALUE })
  return {
    intensity,
    stopBudgetMs: checkNumber('stopBudgetMs', options.stopBudgetMs ?? 25_000, positive),
    units: options.units ?? {},
    clock: checkMethods('clock', clock, ['now', 'sleep']),
    random: checkFunction('random', random),
  }
}

export function checkUnit(
  declared: Pick<UnitSpec, 'name' | 'needs' | 'start'>,
  options: UnitOptions,
  above: ReadonlyMap<string, UnitSpec>,
  agent: AgentSettings,
): UnitSpec {
  const { name, needs, start } = declared
  checkString('name', name)
  if (above.has(name)) throw new TypeError(`name must be new, got '${name}', which stands above`)
  const unknown = needs.find((need) => !above.has(need))
  if (unknown !== undefined)
    throw new TypeError(`needs of unit '${name}' must stand above it, got '${unknown}'`)
  const presets = { ...agent.units, ...options }
  const limit = (knob: keyof UnitLimits & `${string}Ms`, preset: number, min = Number.MIN_VALUE): number =>
    checkNumber(`${knob} of unit '${name}'`, presets[knob] ?? preset, { ...positive, min })
  return {
    name,
    needs: [...needs],
    start,
    restart: checkOneOf(`restart of unit '${name}'`, options.restart ?? 'permanent', [
      'permanent',
      'transient',
      'temporary',
    ]),
    heal: checkLadder(name, options.heal ?? ['restart', 'escalate']),
    startTimeoutMs: limit('startTimeoutMs', 30_000),
    stopTimeoutMs: limit('stopTimeoutMs', 10_000),
    healthyAfterMs: limit('healthyAfterMs', 60_000, 0),
    healTimeoutMs: limit('healTimeoutMs', 30_000),
    backoff: checkRestartBackoff(name, presets.backoff, agent.intensity),
  }
}

function checkLadder(name: string, ladder: readonly Rung[]): readonly Rung[] {
  if (ladder.length === 0) throw new RangeError(`heal of unit '${name}' must have a rung, got an empty array`)
  for (const rung of ladder) {
    if (typeof rung === 'string') checkOneOf(`heal of unit '${name}'`, rung, ['restart', 'escalate'])
    else checkMethods(`heal of unit '${name}'`, rung, ['apply'])
  }
  return [...ladder]
}

/** Refuses pauses so long that a unit which fails at every start would never exceed the intensity. */
function checkRestartBackoff(name: string, given: Partial<Backoff> = {}, intensity: Intensity): Backoff {
  const { max, perMs } = intensity
  const longestMs = Number.isFinite(max) ? perMs / Math.max(1, max) / 2 : 30_000
  const minMs = given.minMs ?? Math.min(100, given.maxMs ?? longestMs)
  const backoff = checkBackoff(`backoff of unit '${name}'`, {
    ...given,
    minMs,
    maxMs: given.maxMs ?? Math.max(longestMs, minMs),
  })
  const loopMs = longestCrashLoopMs(backoff, max)
  if (!Number.isFinite(max) || loopMs < perMs) return backoff
  throw new RangeError(
    `backoff of unit '${name}' must let ${max + 1} failures fall within intensity.perMs = ${perMs}, ` +
      `got pauses of ${Math.round(loopMs)} ms in all: a crash loop would never escalate`,
  )
}
