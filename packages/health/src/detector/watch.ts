/** Time as an observer lived through it, in milliseconds: what it slept through does not count. */
export interface Watch {
  /** Called at every round and every beat. Monotonic. */
  at(now: number): number
}

/**
 * Leaves out of time the gaps in which the observer itself stood still.
 *
 * Whoever is called at least every `roundMs` lives through all of it. After a
 * gap of more than two rounds, the beats of that time may lie unread: it counts
 * nothing. Where every gap is long, the caller is slow rather than stalled, and
 * each counts one round, so that deaths are found late instead of never.
 */
export function createWatch(roundMs: number, start: number): Watch {
  let last = start
  let lived = 0
  let stalled = false
  return {
    at(now) {
      const gap = now - last
      const long = gap > 2 * roundMs
      lived += long && !stalled ? 0 : Math.min(gap, roundMs)
      if (gap > 0) stalled = long
      last = now
      return lived
    },
  }
}
