import { foot, type Ladder } from './ladder.ts'
import type { Goal, Phase, Standing } from './plan.ts'
import type { UnitSpec } from './settings.ts'
import type { Startable, UnitState, UnitStatus } from './types.ts'

/** What a supervisor knows of one unit: one run of the agent, one slot each. */
export interface Slot extends Standing {
  readonly spec: UnitSpec
  phase: Phase
  goal: Goal
  paused: boolean
  /** While it is up or being stopped. */
  value: Startable | undefined
  /** Of the start in flight. */
  scope: AbortController | undefined
  /** The live values that it was started with. */
  needs: object
  upSince: number
  /** It ended by itself as wanted; its value is kept for what needs it, and closed at the stop. */
  finished: boolean
  /** In a row, without healthy uptime between them. */
  failures: number
  starts: number
  /** Of the healing under way. */
  healScope: AbortController | undefined
  lastError: unknown
  ladder: Ladder
  healing: Promise<string | undefined> | undefined
  /** Called once, when it is where it is to be. */
  onSettled: (() => void) | undefined
}

export function createSlot(spec: UnitSpec): Slot {
  return {
    spec,
    phase: 'down',
    goal: 'up',
    paused: false,
    value: undefined,
    scope: undefined,
    needs: {},
    upSince: 0,
    finished: false,
    failures: 0,
    starts: 0,
    healScope: undefined,
    lastError: undefined,
    ladder: foot,
    healing: undefined,
    onSettled: undefined,
  }
}

export function statusOf(slot: Slot): UnitStatus {
  return { state: stateOf(slot), restarts: Math.max(0, slot.starts - 1), lastError: slot.lastError }
}

function stateOf({ phase, paused, finished }: Slot): UnitState {
  if (phase === 'down') return paused ? 'pausing' : 'down'
  return phase === 'up' && finished ? 'finished' : phase
}
