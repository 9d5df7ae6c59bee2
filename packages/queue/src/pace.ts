import type { Durability } from './types.ts'

/** Tells when a commit is worth it before the turn is over, though more may come in this turn. */
export interface Pace {
  /** Whether so many enqueues and settlements that wait are enough. */
  isEnough(waiting: number): boolean
  /** A commit of so many has ended, and so many wait. */
  ended(committed: number, waiting: number): void
}

/** What is prepared in about the time that its writing takes: for less, the way to LevelDB's thread and back costs more than is won. */
const least = 256
const most = 2_048

/**
 * Half of what the callers have under way is enough: so one half of them is
 * served while that of the others is being written. With fsync it never is:
 * one large write is quicker than two smaller ones.
 */
export function createPace(durability: Durability): Pace {
  let enough = durability === 'fsync' ? Number.POSITIVE_INFINITY : least
  return {
    isEnough: (waiting) => waiting >= enough,
    ended(committed, waiting) {
      // Those whose commit has ended are about to come back.
      const half = (committed + waiting) / 2
      if (durability === 'os' && committed > 0) enough = Math.min(most, Math.max(least, half))
    },
  }
}
