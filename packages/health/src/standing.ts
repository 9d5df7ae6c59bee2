import type { Clock } from '@holdfast/core'
import type { Status } from './check.ts'

/** How things stood when last looked at, and since when. */
export interface Standings {
  /** Remembers how it stands now; returns how it stood before if that was another, `unknown` for what is new. */
  turn(what: string, status: Status): Status | undefined
  /** For how long it has stood like this, in milliseconds; 0 for what no look has seen yet. */
  sinceMs(what: string, status: Status): number
  /** Forgets all but these: what comes back begins anew. */
  keepOnly(known: ReadonlySet<string>): void
}

export function createStandings(clock: Pick<Clock, 'now'>): Standings {
  const seen = new Map<string, { readonly status: Status; readonly since: number }>()
  return {
    turn(what, status) {
      const was = seen.get(what)
      if (was?.status === status) return undefined
      seen.set(what, { status, since: clock.now() })
      const before = was?.status ?? 'unknown'
      return before === status ? undefined : before
    },
    sinceMs(what, status) {
      const was = seen.get(what)
      return was?.status === status ? clock.now() - was.since : 0
    },
    keepOnly(known) {
      for (const what of seen.keys()) if (!known.has(what)) seen.delete(what)
    },
  }
}
