import type { Random } from '@holdfast/core'
import type { Instance } from './instance.ts'

/** Chooses one of at least one candidate, which stand in the order of their ids. */
export type Policy<Metadata> = (
  candidates: readonly Instance<Metadata>[],
  random: Random,
) => Instance<Metadata>

/** What an instance says of its own load; lower is better. */
export type LoadOf<Metadata> = (instance: Instance<Metadata>) => number

/** Each in turn, by id, whoever comes or goes meanwhile. Keep one for all picks: it remembers the last. */
export function roundRobin<Metadata>(): Policy<Metadata> {
  let last: string | undefined
  return (candidates) => {
    const next = candidates.find(({ id }) => last !== undefined && id > last) ?? candidates[0]!
    last = next.id
    return next
  }
}

/** Any, each with the same chance. */
export function randomChoice<Metadata>(): Policy<Metadata> {
  return (candidates, random) => candidates[Math.floor(random() * candidates.length)]!
}

/** The least loaded; among equals any. Loads are as old as the last `update`, so many clients choose the same: prefer `powerOfTwo`. */
export function leastLoaded<Metadata>(loadOf: LoadOf<Metadata> = loadInMetadata): Policy<Metadata> {
  return (candidates, random) => {
    const loads = candidates.map(loadOf)
    const least = Math.min(...loads)
    const best = candidates.filter((_, index) => loads[index] === least)
    return randomChoice<Metadata>()(best.length > 0 ? best : candidates, random)
  }
}

/** The less loaded of two drawn at random: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (1996). */
export function powerOfTwo<Metadata>(loadOf: LoadOf<Metadata> = loadInMetadata): Policy<Metadata> {
  return (candidates, random) => {
    const first = Math.floor(random() * candidates.length)
    const other = Math.floor(random() * (candidates.length - 1))
    const one = candidates[first]!
    const two = candidates[other >= first ? other + 1 : other] ?? one
    return loadOf(two) < loadOf(one) ? two : one
  }
}

/** The number `load` in the metadata; 0 where there is none. */
function loadInMetadata<Metadata>({ metadata }: Instance<Metadata>): number {
  const { load } = (metadata ?? {}) as { load?: unknown }
  return typeof load === 'number' ? load : 0
}
