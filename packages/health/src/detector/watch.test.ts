import { expect, test } from 'vitest'
import { createWatch } from './watch.ts'

test('a stall counts nothing, and shorter gaps count as they are', () => {
  const watch = createWatch(1_000, 0)
  expect([400, 1_400, 31_400, 31_900].map((now) => watch.at(now))).toEqual([400, 1_400, 1_400, 1_900])
})

test('a gap of up to two rounds counts as one', () => {
  const watch = createWatch(1_000, 0)
  expect([2_000, 4_001].map((now) => watch.at(now))).toEqual([1_000, 1_000])
})

test('a caller that is always slow gets on, a round at a time; a second call at the same moment changes nothing', () => {
  const watch = createWatch(1_000, 0)
  expect([60_000, 120_000, 120_000, 180_000, 180_500, 300_000].map((now) => watch.at(now))).toEqual([
    0, 1_000, 1_000, 2_000, 2_500, 2_500,
  ])
})
