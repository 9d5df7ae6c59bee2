import type { Shape } from './plans.ts'

interface Span {
  readonly beginMs: number
  readonly endMs: number
}

/**
 * The shortest time in which all of some steps can be done in so many slots: every order is tried, each step
 * as early as the slots allow, also with slots left idle on purpose; an order is left once it cannot be shorter.
 */
export function shortestMs(shapes: readonly Shape[], slots: number): number {
  const tails = tailsOf(shapes)
  const placed = new Map<string, Span>()
  let best = Number.POSITIVE_INFINITY
  search(0)
  return best

  function search(lengthMs: number): void {
    const left = shapes.filter(({ name }) => !placed.has(name))
    if (left.length === 0) best = Math.min(best, lengthMs)
    if (left.some((shape) => earliest(shape) + tails.get(shape.name)! >= best)) return
    for (const shape of left) {
      if (!shape.needs.every((need) => placed.has(need))) continue
      const beginMs = firstGap(earliest(shape), shape.ms)
      placed.set(shape.name, { beginMs, endMs: beginMs + shape.ms })
      search(Math.max(lengthMs, beginMs + shape.ms))
      placed.delete(shape.name)
    }
  }

  /** By what it needs, as far as that is placed. */
  function earliest({ needs }: Shape): number {
    return Math.max(0, ...needs.map((need) => placed.get(need)?.endMs ?? 0))
  }

  function firstGap(fromMs: number, ms: number): number {
    const spans = [...placed.values()]
    const begins = [fromMs, ...spans.map(({ endMs }) => endMs).filter((endMs) => endMs > fromMs)]
    return begins.sort((one, other) => one - other).find((begin) => fits(spans, begin, begin + ms))!
  }

  function fits(spans: readonly Span[], beginMs: number, endMs: number): boolean {
    const busy = spans.filter((span) => span.beginMs < endMs && span.endMs > beginMs)
    const moments = [beginMs, ...busy.map((span) => span.beginMs).filter((begin) => begin > beginMs)]
    return moments.every(
      (moment) => busy.filter((span) => span.beginMs <= moment && moment < span.endMs).length < slots,
    )
  }
}

function tailsOf(shapes: readonly Shape[]): ReadonlyMap<string, number> {
  const tails = new Map<string, number>()
  for (const { name, ms } of shapes.toReversed()) {
    const dependents = shapes.filter(({ needs }) => needs.includes(name))
    tails.set(name, ms + Math.max(0, ...dependents.map((dependent) => tails.get(dependent.name)!)))
  }
  return tails
}
