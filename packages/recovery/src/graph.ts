/** Who needs whom. Pure; a need always stands above. */
export interface GraphStep {
  readonly name: string
  readonly tier: number
  readonly needs: readonly string[]
}

export interface Graph<S extends GraphStep = GraphStep> {
  /** In the order of declaration. */
  readonly steps: readonly S[]
  readonly byName: ReadonlyMap<string, S>
  /** All that a step stands on, directly or not. */
  readonly ancestors: ReadonlyMap<string, ReadonlySet<string>>
  /**
   * The tier that a step gets slots by: its own, or that of a lower-numbered one
   * which waits for it. Without this, a step of tier 3 that tier 1 needs would
   * hold tier 1 back.
   */
  readonly urgency: ReadonlyMap<string, number>
}

export function buildGraph<S extends GraphStep>(steps: readonly S[]): Graph<S> {
  const byName = new Map(steps.map((step) => [step.name, step]))
  const ancestors = new Map<string, ReadonlySet<string>>()
  for (const { name, needs } of steps)
    ancestors.set(name, new Set(needs.flatMap((need) => [need, ...(ancestors.get(need) ?? [])])))
  const urgency = new Map(steps.map(({ name, tier }) => [name, tier]))
  for (const { name, needs } of steps.toReversed())
    for (const need of needs) urgency.set(need, Math.min(urgency.get(need)!, urgency.get(name)!))
  return { steps, byName, ancestors, urgency }
}

/** Each step as early as its needs allow. */
export function wavesOf({ steps }: Graph): readonly (readonly string[])[] {
  const depths = new Map<string, number>()
  const waves: string[][] = []
  for (const { name, needs } of steps) {
    const depth = Math.max(-1, ...needs.map((need) => depths.get(need)!)) + 1
    depths.set(name, depth)
    waves[depth] = [...(waves[depth] ?? []), name]
  }
  return waves
}

/** Those tiers that have steps, the lowest first. */
export function tiersOf({ steps }: Pick<Graph, 'steps'>): readonly number[] {
  return [...new Set(steps.map(({ tier }) => tier))].sort((one, other) => one - other)
}
