import type { Instance } from './instance.ts'

export interface PreservationOptions {
  /** The share of a pool that may vanish within the window. */
  readonly share: number
  readonly windowMs: number
}

/**
 * Keeps instances that vanished too many at once, after Eureka's self-preservation: more
 * likely the network has failed, or the store lost its leases, than all those hosts. Pure: times are given.
 */
export interface Preservation<Metadata> {
  /** Vanished, but kept, by id. */
  readonly suspects: ReadonlyMap<string, Instance<Metadata>>
  /** Who vanished at a time, with how many still standing. Returns who became suspect by it, those who vanished earlier in the window included. */
  vanished(instances: readonly Instance<Metadata>[], standing: number, nowMs: number): Instance<Metadata>[]
  /** It stands again; returns what was kept of it. */
  returned(id: string): Instance<Metadata> | undefined
  /** A read has proven them gone: returns those whose window was over, and forgets them. */
  proven(nowMs: number): Instance<Metadata>[]
  /** When the first suspect's window is over; Infinity without suspects. */
  readonly nextProofMs: number
}

interface Departure<Metadata> {
  readonly instance: Instance<Metadata>
  readonly atMs: number
}

export function createPreservation<Metadata>({
  share,
  windowMs,
}: PreservationOptions): Preservation<Metadata> {
  const suspects = new Map<string, Instance<Metadata>>()
  const untilMs = new Map<string, number>()
  let departures: Departure<Metadata>[] = []

  return {
    suspects,
    vanished,
    returned(id) {
      const suspect = suspects.get(id)
      departures = departures.filter(({ instance }) => instance.id !== id)
      suspects.delete(id)
      untilMs.delete(id)
      return suspect
    },
    proven(nowMs) {
      const gone = [...suspects.values()].filter(({ id }) => untilMs.get(id)! <= nowMs)
      for (const { id } of gone) {
        suspects.delete(id)
        untilMs.delete(id)
      }
      return gone
    },
    get nextProofMs() {
      return Math.min(...untilMs.values())
    },
  }

  function vanished(
    instances: readonly Instance<Metadata>[],
    standing: number,
    nowMs: number,
  ): Instance<Metadata>[] {
    // Who was draining has said good-bye.
    const unexpected = instances.filter(({ draining }) => !draining)
    departures = departures.filter(({ atMs }) => nowMs - atMs < windowMs)
    departures.push(...unexpected.map((instance) => ({ instance, atMs: nowMs })))
    const pool = standing + suspects.size + departures.length
    if (unexpected.length === 0 || suspects.size + departures.length <= share * pool) return []
    const kept = departures.map(({ instance }) => Object.freeze({ ...instance, suspect: true }))
    departures = []
    for (const suspect of kept) {
      suspects.set(suspect.id, suspect)
      untilMs.set(suspect.id, nowMs + windowMs)
    }
    return kept
  }
}
