import type { Graph } from './graph.ts'
import { listSchedule, type Schedule } from './schedule.ts'

type Durations = (step: string) => number

/** So many schedules are tried at most for a better order, and so many steps placed in them. */
const most = { trials: 400, steps: 20_000 }

/**
 * The order in which steps get slots: those of lower tiers first, whatever
 * that costs the others; within a tier, such that it is ready early.
 *
 * Begins with the longest path first (T. C. Hu, "Parallel Sequencing and
 * Assembly Line Problems", 1961), then moves one step at a time among those of
 * the same urgency for as long as that makes a tier ready earlier and none
 * before it later, or the steps on the whole.
 */
export function priorityOrder(graph: Graph, durationMs: Durations, slots: number): readonly string[] {
  let best = { order: longestPathFirst(graph, durationMs), cost: [] as readonly number[] }
  best.cost = costOf(best.order)
  let trials = Math.min(most.trials, most.steps / graph.steps.length)
  for (let better: typeof best | undefined = best; better; ) {
    better = firstBetter()
    best = better ?? best
  }
  return best.order

  function firstBetter(): typeof best | undefined {
    for (const order of neighbours(graph, best.order)) {
      if (trials-- <= 0) return undefined
      const cost = costOf(order)
      if (isLess(cost, best.cost)) return { order, cost }
    }
    return undefined
  }

  function costOf(order: readonly string[]): readonly number[] {
    return scheduleCost(graph, listSchedule(graph, order, durationMs, slots))
  }
}

function longestPathFirst(graph: Graph, durationMs: Durations): readonly string[] {
  const urgency = (name: string): number => graph.urgency.get(name)!
  const own = pathsToEnd(graph, durationMs, (one, other) => urgency(one) === urgency(other))
  const all = pathsToEnd(graph, durationMs, () => true)
  return graph.steps
    .map(({ name }) => name)
    .sort(
      (one, other) =>
        urgency(one) - urgency(other) || own.get(other)! - own.get(one)! || all.get(other)! - all.get(one)!,
    )
}

/** The longest path from each step's begin to the end, over those dependents that count. */
function pathsToEnd(
  { steps }: Graph,
  durationMs: Durations,
  counts: (step: string, dependent: string) => boolean,
): ReadonlyMap<string, number> {
  const after = new Map<string, number>()
  const paths = new Map<string, number>()
  for (const { name, needs } of steps.toReversed()) {
    const path = durationMs(name) + (after.get(name) ?? 0)
    paths.set(name, path)
    for (const need of needs) if (counts(need, name)) after.set(need, Math.max(after.get(need) ?? 0, path))
  }
  return paths
}

function* neighbours(graph: Graph, order: readonly string[]): Generator<readonly string[]> {
  for (const [from, name] of order.entries())
    for (const [to, other] of order.entries())
      if (from !== to && graph.urgency.get(other) === graph.urgency.get(name))
        yield order.toSpliced(from, 1).toSpliced(to, 0, name)
}

/** When each urgency is ready, the lowest first, and last the sum over all steps, which leads out of ties. */
function scheduleCost(graph: Graph, schedule: Schedule): readonly number[] {
  const ends = new Map<number, number>()
  let sum = 0
  for (const [name, { readyMs }] of schedule) {
    const urgency = graph.urgency.get(name)!
    ends.set(urgency, Math.max(ends.get(urgency) ?? 0, readyMs))
    sum += readyMs
  }
  const byUrgency = [...ends].sort(([one], [other]) => one - other)
  return [...byUrgency.map(([, end]) => end), sum]
}

function isLess(one: readonly number[], other: readonly number[]): boolean {
  const at = one.findIndex((figure, index) => figure !== other[index])
  return at >= 0 && one[at]! < other[at]!
}
