/** One check as far as its order matters. */
export interface Ordered {
  readonly needs: readonly string[]
  /** Whether it passes, as far as its own runs tell. */
  readonly passes: boolean
}

/**
 * Who keeps whom from passing: for each check, the roots of its being blocked.
 *
 * A root is a check that does not pass although nothing blocks it, or a name
 * that no check has (any more). Needs must not run in a ring.
 */
export function findBlockers(
  lookup: (name: string) => Ordered | undefined,
): (name: string) => readonly string[] {
  const found = new Map<string, readonly string[]>()
  return blockersOf

  function blockersOf(name: string): readonly string[] {
    const known = found.get(name)
    if (known) return known
    const blockers = [...new Set((lookup(name)?.needs ?? []).flatMap(rootsOf))]
    found.set(name, blockers)
    return blockers
  }

  function rootsOf(need: string): readonly string[] {
    const check = lookup(need)
    if (!check) return [need]
    const above = blockersOf(need)
    if (above.length > 0) return above
    return check.passes ? [] : [need]
  }
}
