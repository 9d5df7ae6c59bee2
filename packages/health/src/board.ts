import type { Clock, Random } from '@holdfast/core'
import { findBlockers, type Ordered } from './blockers.ts'
import type { CheckReport, Gate, Status } from './check.ts'
import { type CheckPlan, refuseCycles, refuseUnknownNeeds } from './check-plan.ts'
import { afterRun, type CheckState, neverRun, type Outcome, staleAfter, statusAt } from './check-state.ts'
import { reportCheck } from './report.ts'
import { type Runner, startRunner } from './runner.ts'

export interface BoardOptions {
  readonly clock: Clock
  readonly random: Random
  /** For how long a check of this name has stood like this, in milliseconds. */
  readonly sinceMs: (name: string, status: Status) => number
  /** Called when a result changed what a check says. */
  readonly turned: () => void
}

/** All checks of one health: what they are, how they stand, and their runners. */
export interface Board {
  /** All or none: a bad name or need throws before anything is added. */
  add(plans: readonly CheckPlan[]): () => void
  /** Of one gate, or all. In the order of adding. */
  reports(gate?: Gate): readonly CheckReport[]
  /** The last moment at which every status that is known now still holds, if no run ends until then. */
  freshUntil(): number
  /** Runs those at once that nothing blocks any more. */
  wakeUnblocked(): void
  stop(): Promise<void>
  readonly totals: Readonly<Record<'runs' | 'failures' | 'timeouts', number>>
}

interface Entry {
  readonly plan: CheckPlan
  readonly runner: Runner
  state: CheckState
  /** Whether the last look found it blocked. */
  blocked: boolean
}

export function createBoard({ clock, random, sinceMs, turned }: BoardOptions): Board {
  const entries = new Map<string, Entry>()
  const totals = { runs: 0, failures: 0, timeouts: 0 }
  return { add, reports, freshUntil, wakeUnblocked, stop, totals }

  function add(plans: readonly CheckPlan[]): () => void {
    const names = new Set(entries.keys())
    for (const { name } of plans) {
      if (names.has(name))
        throw new TypeError(`check.name must be unique, there is a check '${name}' already`)
      names.add(name)
    }
    refuseUnknownNeeds(plans, names)
    refuseCycles([...[...entries.values()].map(({ plan }) => plan), ...plans])
    const added = plans.map((plan) => ({ plan, state: neverRun, blocked: false, runner: runnerOf(plan) }))
    for (const entry of added) entries.set(entry.plan.name, entry)
    return () => remove(added)
  }

  function runnerOf(check: CheckPlan): Runner {
    const isBlocked = (): boolean => check.needs.length > 0 && findBlockers(lookup)(check.name).length > 0
    const ended = (outcome: Outcome, durationMs: number): void => end(check, outcome, durationMs)
    return startRunner({ check, clock, random, isBlocked, ended })
  }

  function remove(removed: readonly Entry[]): void {
    for (const entry of removed) {
      if (entries.get(entry.plan.name) === entry) entries.delete(entry.plan.name)
      void entry.runner.stop()
    }
  }

  function end({ name }: CheckPlan, outcome: Outcome, durationMs: number): void {
    const entry = entries.get(name)
    if (!entry) return
    const now = clock.now()
    const before = statusAt(entry.state, entry.plan, now)
    entry.state = afterRun(entry.state, outcome, entry.plan, { now, durationMs })
    totals.runs += 1
    if (outcome.kind !== 'passed') totals.failures += 1
    if (outcome.kind === 'timed-out') totals.timeouts += 1
    if (statusAt(entry.state, entry.plan, now) !== before) turned()
  }

  function reports(gate?: Gate): readonly CheckReport[] {
    const now = clock.now()
    const blockersOf = findBlockers(lookup)
    const asked = [...entries.values()].filter(({ plan }) => gate === undefined || plan.gates.includes(gate))
    return asked.map(({ plan, state }) =>
      reportCheck(plan, state, {
        own: statusAt(state, plan, now),
        blockedBy: blockersOf(plan.name),
        now,
        sinceMs,
      }),
    )
  }

  function freshUntil(): number {
    const now = clock.now()
    return [...entries.values()]
      .map(({ state, plan }) => staleAfter(state, plan))
      .reduce((first, until) => (until >= now ? Math.min(first, until) : first), Number.POSITIVE_INFINITY)
  }

  function lookup(name: string): Ordered | undefined {
    const entry = entries.get(name)
    if (!entry) return undefined
    const status = statusAt(entry.state, entry.plan, clock.now())
    return { needs: entry.plan.needs, passes: status === 'pass' || status === 'warn' }
  }

  function wakeUnblocked(): void {
    const blockersOf = findBlockers(lookup)
    for (const entry of entries.values()) {
      const blocked = blockersOf(entry.plan.name).length > 0
      if (entry.blocked && !blocked) entry.runner.wake()
      entry.blocked = blocked
    }
  }

  async function stop(): Promise<void> {
    await Promise.all([...entries.values()].map(({ runner }) => runner.stop()))
  }
}
