import type { Graph } from './graph.ts'

/** From begin to ready, in milliseconds since the first begin. */
export interface Span {
  readonly beginMs: number
  readonly readyMs: number
}

export type Schedule = ReadonlyMap<string, Span>

/**
 * When each step begins and is ready if free slots are always given to the
 * first steps of `order` whose needs are ready: list scheduling. R. L. Graham,
 * "Bounds on Multiprocessing Timing Anomalies" (1969): with m slots never
 * longer than 2 − 1/m times the shortest schedule, whatever the order.
 */
export function listSchedule(
  graph: Graph,
  order: readonly string[],
  durationMs: (step: string) => number,
  slots: number,
): Schedule {
  const spans = new Map<string, Span>()
  const working = new Map<string, number>()
  const ready = new Set<string>()
  const waiting = new Set(order)
  let now = 0
  for (;;) {
    for (const name of nextSteps(graph, waiting, ready, slots - working.size)) {
      waiting.delete(name)
      const readyMs = now + durationMs(name)
      spans.set(name, { beginMs: now, readyMs })
      working.set(name, readyMs)
    }
    if (working.size === 0) return spans
    now = Math.min(...working.values())
    for (const [name, readyMs] of working)
      if (readyMs <= now) {
        working.delete(name)
        ready.add(name)
      }
  }
}

/** Which of the waiting steps get the free slots: the first whose needs are all ready. */
export function nextSteps(
  graph: Graph,
  waiting: Iterable<string>,
  ready: ReadonlySet<string>,
  free: number,
): readonly string[] {
  const next: string[] = []
  for (const name of waiting) {
    if (next.length >= free) break
    if (graph.byName.get(name)!.needs.every((need) => ready.has(need))) next.push(name)
  }
  return next
}
