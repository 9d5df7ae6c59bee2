import type { Deadlines } from './deadlines.ts'
import { agentError } from './errors.ts'
import { type Outcome, outcomeOf } from './outcome.ts'
import type { Startable } from './types.ts'

export interface StopLimits {
  readonly unit: string
  /** Milliseconds that are left for it. */
  readonly ms: number
  readonly deadlines: Deadlines
}

/** What became of a drain or a close. `abandoned`: it was still going on when its time was up. */
export interface StopResult {
  readonly abandoned: boolean
  readonly error?: unknown
}

/** Tells a unit to take no new work and waits until what is in hand is finished. Never rejects. */
export async function drainUnit(value: Startable, limits: StopLimits): Promise<StopResult> {
  const waiting = new AbortController()
  const draining = outcomeOf(async () => value.drain?.({ signal: waiting.signal }))
  const outcome = await limits.deadlines.within(draining, limits.ms)
  if (outcome.kind !== 'overrun') return resultOf(outcome)
  const { unit, ms } = limits
  const error = agentError(
    'UNIT_DRAIN_TIMED_OUT',
    `Unit '${unit}' had work in hand after ${Math.round(ms)} ms of draining; it is closed with it`,
    { fields: { unit, ms } },
  )
  waiting.abort(error)
  return { abandoned: true, error }
}

/** Closes a unit. Never rejects. A close that overruns goes on unheard. */
export async function closeUnit(value: Startable, limits: StopLimits): Promise<StopResult> {
  const closing = outcomeOf(() => value[Symbol.asyncDispose]())
  const outcome = await limits.deadlines.within(closing, limits.ms)
  if (outcome.kind !== 'overrun') return resultOf(outcome)
  const { unit, ms } = limits
  const error = agentError(
    'UNIT_STOP_TIMED_OUT',
    `Unit '${unit}' was not closed within ${Math.round(ms)} ms and was left behind`,
    { fields: { unit, ms } },
  )
  return { abandoned: true, error }
}

function resultOf(outcome: Outcome<unknown>): StopResult {
  return outcome.kind === 'failed' ? { abandoned: false, error: outcome.error } : { abandoned: false }
}
