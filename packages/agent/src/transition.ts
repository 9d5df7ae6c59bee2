import type { Clock, Events } from '@holdfast/core'
import { attemptStart } from './attempt.ts'
import type { Deadlines } from './deadlines.ts'
import type { AgentEvents } from './events.ts'
import { type Outcome, outcomeOf } from './outcome.ts'
import type { UnitSpec } from './settings.ts'
import { closeUnit, drainUnit, type StopLimits } from './stop.ts'
import type { Startable } from './types.ts'

/** What a unit's start and stop see of the agent around it. */
export interface Surroundings {
  readonly clock: Clock
  readonly events: Events<AgentEvents>
  readonly deadlines: Deadlines
  /** Milliseconds left of the budget; `Infinity` while the agent is not stopping. */
  leftMs(): number
}

/** Starts a unit and tells of it. When this resolves without a value, nothing of the unit is left but what was abandoned. */
export async function bringUp(
  spec: UnitSpec,
  needs: object,
  scope: AbortController,
  around: Surroundings,
): Promise<{ readonly value: Startable } | { readonly error: unknown }> {
  const { clock, events, deadlines } = around
  const began = clock.now()
  const unit = spec.name
  const result = await attemptStart({
    unit,
    start: (signal) => spec.start(needs, signal),
    scope,
    timeoutMs: spec.startTimeoutMs,
    graceMs: () => Math.min(spec.stopTimeoutMs, around.leftMs()),
    deadlines,
  })
  const durationMs = clock.now() - began
  if ('value' in result) {
    events.emit('started', { unit, durationMs })
    return result
  }
  events.emit('startFailed', { unit, durationMs, error: result.error })
  if (result.late) {
    tellOfExit(spec, result.late, around)
    await bringDown(spec, result.late, false, around)
  }
  if (result.goesOn) {
    events.emit('abandoned', { unit, phase: 'start', durationMs })
    void result.goesOn.then((outcome) => closeLate(spec, outcome, began, around))
  }
  return { error: result.error }
}

/** Drains, where that is wanted and the unit can, then closes. Never rejects: answers with what went wrong. */
export async function bringDown(
  spec: UnitSpec,
  value: Startable,
  drains: boolean,
  around: Surroundings,
): Promise<readonly unknown[]> {
  const began = around.clock.now()
  const allottedMs = Math.min(spec.stopTimeoutMs, Math.max(0, around.leftMs()))
  const limits: StopLimits = { unit: spec.name, ms: allottedMs, deadlines: around.deadlines }
  const errors: unknown[] = []
  if (drains && value.drain) await step('drain', { ...limits, ms: allottedMs * drainShare })
  await step('close', { ...limits, ms: Math.max(0, allottedMs - (around.clock.now() - began)) })
  return errors

  async function step(phase: 'drain' | 'close', within: StopLimits): Promise<void> {
    const start = around.clock.now()
    const result = await (phase === 'drain' ? drainUnit : closeUnit)(value, within)
    const told = { unit: spec.name, durationMs: around.clock.now() - start }
    if ('error' in result) errors.push(result.error)
    if (result.abandoned) around.events.emit('abandoned', { ...told, phase })
    const failed = 'error' in result ? { error: result.error } : {}
    if (phase === 'drain') around.events.emit('drained', { ...told, ...failed })
    else if (!result.abandoned) around.events.emit('stopped', { ...told, ...failed })
  }
}

/** What draining may take of the time for a stop, so that some is left for closing. */
const drainShare = 0.75

/** An unwanted value may end by itself like any other; nobody else listens. */
function tellOfExit({ name: unit }: UnitSpec, value: Startable, { clock, events }: Surroundings): void {
  const came = clock.now()
  value.exited?.then(undefined, (error: unknown) =>
    events.emit('exited', { unit, durationMs: clock.now() - came, stopping: true, error }),
  )
}

async function closeLate(
  spec: UnitSpec,
  outcome: Outcome<Startable>,
  began: number,
  around: Surroundings,
): Promise<void> {
  if (outcome.kind !== 'done') return
  const { clock, events } = around
  const { value } = outcome
  tellOfExit(spec, value, around)
  const closed = await outcomeOf(() => value[Symbol.asyncDispose]())
  const error = closed.kind === 'failed' ? { error: closed.error } : {}
  const durationMs = clock.now() - began
  events.emit('lateClosed', { unit: spec.name, durationMs, ...error })
}
