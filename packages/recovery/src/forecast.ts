import { type Graph, type GraphStep, tiersOf } from './graph.ts'
import { priorityOrder } from './priority.ts'
import { listSchedule, type Span } from './schedule.ts'
import type { Figures } from './types.ts'

export interface ForecastStep extends Span {
  readonly step: string
  readonly tier: number
}

export interface ForecastTier {
  readonly tier: number
  readonly rtoMs: number
  /** When the last of its steps is ready. */
  readonly readyMs: number
}

/** What is to be expected, in milliseconds since the first begin. */
export interface Forecast {
  /** In the order in which they begin. */
  readonly steps: readonly ForecastStep[]
  /** Those that have steps, by number. */
  readonly tiers: readonly ForecastTier[]
  readonly readyMs: number
}

export interface Timed extends GraphStep {
  readonly expectMs: number
}

/** The measured time where there is one, else the expected. */
export function durationsOf(graph: Graph<Timed>, figures: Figures = {}): (step: string) => number {
  return (step) => figures[step] ?? graph.byName.get(step)!.expectMs
}

export interface Arrangement {
  /** Who gets a free slot first. */
  readonly order: readonly string[]
  /** What comes of that if every step takes as long as it should. */
  readonly forecast: Forecast
}

export function arrange(
  graph: Graph<Timed>,
  { rtoMs, slots }: { readonly rtoMs: Readonly<Record<number, number>>; readonly slots: number },
  figures?: Figures,
): Arrangement {
  const durationMs = durationsOf(graph, figures)
  const order = priorityOrder(graph, durationMs, slots)
  const schedule = listSchedule(graph, order, durationMs, slots)
  const steps = [...schedule].map(([step, span]) => ({ step, tier: graph.byName.get(step)!.tier, ...span }))
  const tiers = tiersOf(graph).map((tier) => ({ tier, rtoMs: rtoMs[tier]!, readyMs: latest(steps, tier) }))
  return { order, forecast: { steps, tiers, readyMs: latest(steps) } }
}

function latest(steps: readonly ForecastStep[], tier?: number): number {
  return Math.max(
    0,
    ...steps.filter((step) => tier === undefined || step.tier === tier).map(({ readyMs }) => readyMs),
  )
}
