import { createSeededRandom } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import type { Instance } from './instance.ts'
import { leastLoaded, type Policy, powerOfTwo, randomChoice, roundRobin } from './policy.ts'

type Loaded = { load?: number }

const instance = (id: string, load?: number): Instance<Loaded> => ({
  ...{
    service: 'edge',
    id,
    incarnation: 1,
    draining: false,
    suspect: false,
    createRevision: 2,
    modRevision: 2,
  },
  metadata: load === undefined ? {} : { load },
})

/** How often each was chosen. */
function tally(
  policy: Policy<Loaded>,
  candidates: readonly Instance<Loaded>[],
  picks: number,
): Record<string, number> {
  const random = createSeededRandom(7)
  const counts: Record<string, number> = {}
  for (let pick = 0; pick < picks; pick += 1) {
    const { id } = policy(candidates, random)
    counts[id] = (counts[id] ?? 0) + 1
  }
  return counts
}

test('round robin goes on from the last, whoever comes or goes', () => {
  const policy = roundRobin<Loaded>()
  const pick = (...ids: string[]): string =>
    policy(
      ids.map((id) => instance(id)),
      Math.random,
    ).id
  expect([pick('a', 'c'), pick('a', 'c'), pick('a', 'c')]).toEqual(['a', 'c', 'a'])
  expect(pick('a', 'b', 'c')).toBe('b')
  expect([pick('a', 'd'), pick('a', 'd')]).toEqual(['d', 'a'])
})

test('random choice is even', () => {
  const counts = tally(randomChoice(), [instance('a'), instance('b'), instance('c')], 3_000)
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(900)
  expect(Object.keys(counts)).toHaveLength(3)
})

test('least loaded takes the least, and any of equals; no load is 0', () => {
  expect(tally(leastLoaded(), [instance('a', 3), instance('b', 1), instance('c', 2)], 50)).toEqual({ b: 50 })
  expect(
    Object.keys(tally(leastLoaded(), [instance('a', 0), instance('b', 1), instance('c')], 50)).sort(),
  ).toEqual(['a', 'c'])
  expect(
    tally(
      leastLoaded(({ id }) => -id.charCodeAt(0)),
      [instance('a'), instance('b')],
      5,
    ),
  ).toEqual({ b: 5 })
})

test('power of two never takes the most loaded of three, and takes all where loads are equal', () => {
  const counts = tally(powerOfTwo(), [instance('a', 1), instance('b', 2), instance('c', 3)], 3_000)
  expect(counts['c']).toBeUndefined()
  // The best is in two of three pairs.
  expect(counts['a']! / 3_000).toBeCloseTo(2 / 3, 1)
  const even = tally(powerOfTwo(), [instance('a'), instance('b'), instance('c')], 3_000)
  for (const count of Object.values(even)) expect(count).toBeGreaterThan(900)
  expect(tally(powerOfTwo(), [instance('a')], 3)).toEqual({ a: 3 })
})
