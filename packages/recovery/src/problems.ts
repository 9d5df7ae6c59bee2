import { durationsOf, type Forecast, type Timed } from './forecast.ts'
import type { Graph } from './graph.ts'
import type { Figures } from './types.ts'

/** What is wrong with a plan before anything runs. `message` says it in words. */
export type Problem =
  /** A step needs one of a higher tier, which may take longer than the step's own RTO allows. */
  | {
      readonly kind: 'tier-inversion'
      readonly step: string
      readonly needs: string
      readonly message: string
    }
  /** Even with a slot for every step, `path` takes longer than the tier's RTO. */
  | {
      readonly kind: 'critical-path'
      readonly tier: number
      readonly path: readonly string[]
      readonly forecastMs: number
      readonly rtoMs: number
      readonly message: string
    }
  /** The tier's RTO would be met with more slots. */
  | {
      readonly kind: 'slots'
      readonly tier: number
      readonly forecastMs: number
      readonly rtoMs: number
      readonly message: string
    }

export function problemsOf(graph: Graph<Timed>, forecast: Forecast, figures?: Figures): readonly Problem[] {
  const paths = longestPaths(graph, durationsOf(graph, figures))
  return [
    ...inversions(graph),
    ...forecast.tiers.flatMap(({ tier, rtoMs, readyMs }): Problem[] => {
      const longest = graph.steps
        .filter((step) => step.tier === tier)
        .map(({ name }) => paths.get(name)!)
        .reduce((one, other) => (other.ms > one.ms ? other : one))
      if (longest.ms > rtoMs) return [criticalPath(tier, rtoMs, longest)]
      return readyMs > rtoMs ? [tooFewSlots(tier, rtoMs, readyMs)] : []
    }),
  ]
}

function inversions({ steps, byName }: Graph): Problem[] {
  return steps.flatMap(({ name, tier, needs }) =>
    needs
      .map((need) => byName.get(need)!)
      .filter((need) => need.tier > tier)
      .map((need): Problem => {
        const message = `Step '${name}' of tier ${tier} needs '${need.name}' of tier ${need.tier}: move that to tier ${tier}`
        return { kind: 'tier-inversion', step: name, needs: need.name, message }
      }),
  )
}

interface Path {
  readonly ms: number
  readonly steps: readonly string[]
}

/** The longest path of time to each step's end. */
function longestPaths(graph: Graph, durationMs: (step: string) => number): ReadonlyMap<string, Path> {
  const paths = new Map<string, Path>()
  for (const { name, needs } of graph.steps) {
    const before = needs
      .map((need) => paths.get(need)!)
      .reduce((one, other) => (other.ms > one.ms ? other : one), { ms: 0, steps: [] })
    paths.set(name, { ms: before.ms + durationMs(name), steps: [...before.steps, name] })
  }
  return paths
}

function criticalPath(tier: number, rtoMs: number, { ms, steps }: Path): Problem {
  const message = `Tier ${tier} takes at least ${ms} ms over ${steps.join(' → ')}, its RTO is ${rtoMs} ms: make these steps faster`
  return { kind: 'critical-path', tier, path: steps, forecastMs: ms, rtoMs, message }
}

function tooFewSlots(tier: number, rtoMs: number, readyMs: number): Problem {
  const message = `Tier ${tier} takes ${readyMs} ms for want of slots, its RTO is ${rtoMs} ms: raise slots`
  return { kind: 'slots', tier, forecastMs: readyMs, rtoMs, message }
}
