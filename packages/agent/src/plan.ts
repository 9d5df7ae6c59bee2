import { type Graph, withDependents } from './graph.ts'
import type { RestartType } from './types.ts'

/** Where a unit is. */
export type Phase = 'down' | 'starting' | 'up' | 'stopping'
/** Where it is to be; `restart` is down first, then up. */
export type Goal = 'up' | 'down' | 'restart'

export interface Standing {
  readonly phase: Phase
  readonly goal: Goal
  /** A backoff keeps it from being started. */
  readonly paused: boolean
}

export type Standings = ReadonlyMap<string, Standing>

/**
 * What is to be done with a unit now: started once all it needs is up to stay,
 * stopped once nothing that needs it is left. Nothing while it is on its way.
 */
export function nextStep(graph: Graph, standings: Standings, name: string): 'start' | 'stop' | undefined {
  const unit = standings.get(name)
  if (unit?.phase === 'down' && unit.goal === 'up' && !unit.paused)
    return graph.needs.get(name)?.every((need) => staysUp(standings.get(need))) ? 'start' : undefined
  if (unit?.phase === 'up' && unit.goal !== 'up')
    return graph.dependents.get(name)?.every((other) => standings.get(other)?.phase === 'down')
      ? 'stop'
      : undefined
  return undefined
}

/** Whether a unit is where it is to be. */
export function isSettled({ phase, goal }: Standing): boolean {
  return goal === 'up' ? phase === 'up' : goal === 'down' && phase === 'down'
}

/**
 * New goals for a restart of `name`: for itself and all that needs it. What is
 * temporary, or already down for good, stays down, and so does what needs that.
 */
export function restartGoals(
  graph: Graph,
  standings: Standings,
  types: ReadonlyMap<string, RestartType>,
  name: string,
): ReadonlyMap<string, Goal> {
  const goals = new Map<string, Goal>()
  for (const member of withDependents(graph, name)) {
    const stays =
      member !== name && (types.get(member) === 'temporary' || standings.get(member)?.goal === 'down')
    const lacks = graph.needs.get(member)?.some((need) => goals.get(need) === 'down')
    goals.set(member, stays || lacks ? 'down' : 'restart')
  }
  return goals
}

/** Whether a unit of this type that ended by itself is started again. */
export function restartsAfter(type: RestartType, failed: boolean): boolean {
  return type === 'permanent' || (type === 'transient' && failed)
}

function staysUp(need: Standing | undefined): boolean {
  return need?.phase === 'up' && need.goal === 'up'
}
