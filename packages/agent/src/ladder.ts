/** Where a unit stands on its ladder. Pure. */
export interface Ladder {
  /** The rung to try next, from 0. */
  readonly next: number
  /** When the last rung was applied, by the clock's `now`. */
  readonly at: number
}

export const foot: Ladder = { next: 0, at: Number.NEGATIVE_INFINITY }

/** The rung to begin with: the first one again after `healthyAfterMs` without a call, and never above the last. */
export function rungToTry(ladder: Ladder, now: number, healthyAfterMs: number, rungs: number): number {
  return now - ladder.at >= healthyAfterMs ? 0 : Math.min(ladder.next, rungs - 1)
}

/** After a rung was applied at `now`. */
export function climbed(rung: number, now: number): Ladder {
  return { next: rung + 1, at: now }
}
