import { backoffMs, type Events } from '@holdfast/core'
import { createDeadlines } from './deadlines.ts'
import { deferred } from './deferred.ts'
import { agentError } from './errors.ts'
import type { AgentEvents } from './events.ts'
import { buildGraph } from './graph.ts'
import { climb } from './heal.ts'
import { failuresInARow, isExceeded, noteRestart, recent, type Window } from './intensity.ts'
import { type Goal, isSettled, nextStep, restartGoals, restartsAfter } from './plan.ts'
import type { AgentSettings, UnitSpec } from './settings.ts'
import { createSlot, type Slot } from './slot.ts'
import { bringDown, bringUp, type Surroundings } from './transition.ts'
import type { Startable } from './types.ts'

/** How a run ended, everything being down. */
export interface End {
  /** Why the agent gave up; absent where it was told to stop. */
  readonly failure?: unknown
  readonly stopErrors: readonly unknown[]
}

/** One run of an agent: from its start until everything is down again. */
export interface Supervisor {
  readonly slots: ReadonlyMap<string, Slot>
  /** True once every unit is up, false when all is down again before that. */
  readonly booted: Promise<boolean>
  readonly down: Promise<End>
  /** Whether `down` is reached. */
  isOver(): boolean
  /** Begins the stop, from the units that nothing needs. */
  stop(): void
  heal(slot: Slot, why: unknown): Promise<string | undefined>
  restartsInWindow(): number
}

/**
 * Starts the units and keeps them up.
 *
 * Every change of a unit's phase or goal is followed by the question what is to
 * be done now with it and its neighbours (`nextStep`); nothing else starts or
 * stops a unit, so order holds whatever happens at the same time.
 */
export function supervise(
  specs: readonly UnitSpec[],
  { intensity, stopBudgetMs, clock, random }: AgentSettings,
  events: Events<AgentEvents>,
): Supervisor {
  const graph = buildGraph(specs)
  const types = new Map(specs.map(({ name, restart }) => [name, restart]))
  const slots = new Map(specs.map((spec) => [spec.name, createSlot(spec)]))
  const unsettled = new Set(slots.keys())
  const began = clock.now()
  const deadlines = createDeadlines(clock)
  const boot = deferred<boolean>()
  const end = deferred<End>()
  const stopErrors: unknown[] = []
  let mode: 'booting' | 'up' | 'stopping' | 'over' = 'booting'
  let failure: { failure: unknown } | undefined
  let stopBegan = 0
  let window: Window = []
  const around: Surroundings = {
    clock,
    events,
    deadlines,
    leftMs: () => (mode === 'stopping' ? stopBudgetMs - (clock.now() - stopBegan) : Number.POSITIVE_INFINITY),
  }

  reconcile(graph.names)
  settle()
  return {
    slots,
    booted: boot.promise,
    down: end.promise,
    isOver: () => mode === 'over',
    stop,
    heal: (slot, why) => climb(slot, why, { clock, events, restart: restartToHeal, escalate }),
    restartsInWindow: () => recent(window, clock.now(), intensity.perMs).length,
  }

  function reconcile(names: readonly string[]): void {
    for (const name of names) {
      const step = nextStep(graph, slots, name)
      if (step === 'start') detach(startUnit(slotOf(name)))
      else if (step === 'stop') detach(stopUnit(slotOf(name)))
    }
  }

  async function startUnit(slot: Slot): Promise<void> {
    const scope = new AbortController()
    const needs = Object.fromEntries(slot.spec.needs.map((need) => [need, slotOf(need).value]))
    Object.assign(slot, { phase: 'starting', scope, needs, finished: false, starts: slot.starts + 1 })
    const result = await bringUp(slot.spec, needs, scope, around)
    slot.scope = undefined
    if ('value' in result) {
      Object.assign(slot, { phase: 'up', value: result.value, upSince: clock.now() })
      watchExit(slot, result.value)
    } else {
      slot.phase = 'down'
      if (slot.goal === 'up') startFailed(slot, result.error)
    }
    moved(slot)
  }

  async function stopUnit(slot: Slot): Promise<void> {
    slot.phase = 'stopping'
    const ending = mode === 'stopping'
    const errors = await bringDown(slot.spec, slot.value as Startable, ending, around)
    if (ending) stopErrors.push(...errors)
    Object.assign(slot, { phase: 'down', value: undefined })
    moved(slot)
  }

  /** After a change of phase: asks again for the unit and its neighbours, and whether all is done. */
  function moved(slot: Slot): void {
    aim(slot, slot.goal)
    const { name } = slot.spec
    reconcile([name, ...(graph.dependents.get(name) ?? []), ...(graph.needs.get(name) ?? []).toReversed()])
    settle()
  }

  function aim(slot: Slot, goal: Goal): void {
    slot.goal = goal === 'restart' && slot.phase === 'down' ? 'up' : goal
    if (slot.goal !== 'up') for (const scope of [slot.scope, slot.healScope]) scope?.abort(unwanted(slot))
    if (!isSettled(slot)) {
      unsettled.add(slot.spec.name)
      return
    }
    unsettled.delete(slot.spec.name)
    slot.onSettled?.()
    slot.onSettled = undefined
  }

  function settle(): void {
    if (unsettled.size > 0) return
    if (mode === 'booting') {
      mode = 'up'
      events.emit('agentStarted', { durationMs: clock.now() - began })
      boot.resolve(true)
    } else if (mode === 'stopping') {
      mode = 'over'
      deadlines.end()
      const error = stopErrors.length > 0 ? { error: new AggregateError(stopErrors) } : {}
      events.emit('agentStopped', { durationMs: clock.now() - stopBegan, ...error })
      boot.resolve(false)
      end.resolve({ ...failure, stopErrors })
    }
  }

  function watchExit(slot: Slot, value: Startable): void {
    const { upSince } = slot
    value.exited?.then(
      () => ended(slot, value, upSince),
      (error: unknown) => ended(slot, value, upSince, { error }),
    )
  }

  function ended(slot: Slot, value: Startable, upSince: number, failed?: { error: unknown }): void {
    const ending = slot.value !== value || slot.goal !== 'up'
    if (ending && !failed) return
    const unit = slot.spec.name
    events.emit('exited', { unit, durationMs: clock.now() - upSince, stopping: ending, ...failed })
    if (ending) return
    if (failed) slot.lastError = failed.error
    if (restartsAfter(slot.spec.restart, failed !== undefined))
      planRestart(slot, failed?.error ?? exited(slot))
    else if (failed) takeDown(slot)
    else slot.finished = true
  }

  function startFailed(slot: Slot, error: unknown): void {
    slot.lastError = error
    if (mode === 'booting') escalate(notStarted(slot, error))
    else planRestart(slot, error)
  }

  function planRestart(slot: Slot, error: unknown): void {
    if (mode === 'stopping' || mode === 'over') return // by a listener, who was told of the end before us
    const now = clock.now()
    const upMs = slot.phase === 'up' ? now - slot.upSince : 0
    window = noteRestart(window, now, intensity)
    if (isExceeded(window, intensity)) escalate(exceeded(slot, error))
    else restartGroup(slot, upMs, error)
  }

  async function restartToHeal(slot: Slot, why: unknown): Promise<void> {
    const settled = deferred<void>()
    slot.onSettled = settled.resolve
    planRestart(slot, why)
    await settled.promise
    if (slot.phase !== 'up') throw unwanted(slot)
  }

  function restartGroup(slot: Slot, upMs: number, error: unknown): void {
    slot.failures = failuresInARow(slot.failures, upMs, slot.spec.healthyAfterMs)
    const pauseMs = backoffMs(slot.spec.backoff, slot.failures, random)
    const goals = restartGoals(graph, slots, types, slot.spec.name)
    const units = [...goals.keys()]
    const unit = slot.spec.name
    slot.paused = true
    for (const [name, goal] of goals) aim(slotOf(name), goal)
    deadlines.after(pauseMs, () => unpause(slot))
    // Told once it is planned: a listener that stops the agent has the last word.
    events.emit('restartPlanned', { unit, units, failures: slot.failures, pauseMs, error })
    reconcile(units.toReversed())
  }

  function unpause(slot: Slot): void {
    slot.paused = false
    reconcile([slot.spec.name])
  }

  /** For good: the unit failed and is not to be restarted, and what needs it would hold a dead value. */
  function takeDown(slot: Slot): void {
    const group = [...restartGoals(graph, slots, types, slot.spec.name).keys()]
    for (const name of group) aim(slotOf(name), 'down')
    reconcile(group.toReversed())
    settle()
  }

  function escalate(error: unknown): void {
    if (mode === 'stopping' || mode === 'over') return
    failure = { failure: error }
    events.emit('escalated', { error })
    stop()
  }

  function stop(): void {
    if (mode === 'stopping' || mode === 'over') return
    mode = 'stopping'
    stopBegan = clock.now()
    deadlines.after(stopBudgetMs, deadlines.cut)
    for (const slot of slots.values()) {
      slot.paused = false
      aim(slot, 'down')
    }
    reconcile(graph.names.toReversed())
    settle()
  }

  function slotOf(name: string): Slot {
    return slots.get(name) as Slot
  }

  /** For what never rejects but by a fault of this file: which must not leave the agent standing half up. */
  function detach(task: Promise<void>): void {
    task.catch(escalate)
  }

  function exceeded(slot: Slot, cause: unknown): Error {
    const { max, perMs } = intensity
    return agentError(
      'AGENT_INTENSITY_EXCEEDED',
      `Unit '${slot.spec.name}' failed once more after ${max} restarts within ${perMs} ms; everything is stopped so that the process can be restarted`,
      { cause, fields: { unit: slot.spec.name, max, perMs } },
    )
  }
}

function notStarted({ spec }: Slot, cause: unknown): Error {
  const message = `Unit '${spec.name}' could not be started; what was started has been stopped again`
  return agentError('AGENT_START_FAILED', message, { cause, fields: { unit: spec.name } })
}

function exited({ spec }: Slot): Error {
  const message = `Unit '${spec.name}' ended by itself, though it is permanent; make it transient if it may`
  return agentError('UNIT_EXITED', message, { fields: { unit: spec.name } })
}

function unwanted({ spec }: Slot): Error {
  const message = `Unit '${spec.name}' is to be stopped; its start or healing is no longer wanted`
  return agentError('UNIT_START_UNWANTED', message, { fields: { unit: spec.name } })
}
