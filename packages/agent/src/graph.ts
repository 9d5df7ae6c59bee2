/** Who needs whom, by name, in the order of declaration. Pure; a need always stands above. */
export interface Graph {
  readonly names: readonly string[]
  readonly needs: ReadonlyMap<string, readonly string[]>
  /** Who needs a unit directly. */
  readonly dependents: ReadonlyMap<string, readonly string[]>
}

export function buildGraph(units: readonly { name: string; needs: readonly string[] }[]): Graph {
  const dependents = new Map<string, string[]>(units.map(({ name }) => [name, []]))
  for (const { name, needs } of units) for (const need of new Set(needs)) dependents.get(need)?.push(name)
  return {
    names: units.map(({ name }) => name),
    needs: new Map(units.map(({ name, needs }) => [name, [...new Set(needs)]])),
    dependents,
  }
}

/** What a restart of `name` takes along: whoever was given its value, or a value made of it; in the order of starting. Erlang's `rest_for_one`, for a graph. */
export function withDependents(graph: Graph, name: string): readonly string[] {
  const group = new Set([name])
  for (const member of group) for (const dependent of graph.dependents.get(member) ?? []) group.add(dependent)
  return graph.names.filter((candidate) => group.has(candidate))
}
