/** Which part of all to look at. */
export interface Sample {
  /** From 1. */
  readonly part: number
  readonly parts: number
  /** Whether what has this digest or id is in it. */
  has(hex: string): boolean
}

/** Reads `k/n`; everything by default. */
export function parseSample(sample: string | undefined): Sample {
  if (sample === undefined) return { part: 1, parts: 1, has: () => true }
  const [part, parts] = (/^(\d{1,6})\/(\d{1,6})$/.exec(sample)?.slice(1) ?? []).map(Number)
  if (!part || !parts || part > parts)
    throw new RangeError(`sample must be k/n with 1 ≤ k ≤ n, such as '3/30', got ${JSON.stringify(sample)}`)
  // Other digits than those that a chunk index hashes by, so that both spread evenly.
  return { part, parts, has: (hex) => Number.parseInt(hex.slice(8, 16), 16) % parts === part - 1 }
}
