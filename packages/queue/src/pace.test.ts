import { expect, test } from 'vitest'
import { createPace } from './pace.ts'

/** The least number that is enough. */
function enoughFor(pace: ReturnType<typeof createPace>): number {
  for (let waiting = 0; waiting < 10_000; waiting++) if (pace.isEnough(waiting)) return waiting
  return Number.POSITIVE_INFINITY
}

test('half of what is under way is enough, but not a few, and no more than a commit holds', () => {
  const pace = createPace('os')
  expect(enoughFor(pace)).toBe(256)
  pace.ended(256, 768)
  expect(enoughFor(pace)).toBe(512)
  pace.ended(512, 512)
  expect(enoughFor(pace)).toBe(512)
  pace.ended(4_096, 4_096)
  expect(enoughFor(pace)).toBe(2_048)
  pace.ended(0, 700)
  expect(enoughFor(pace)).toBe(2_048)
  pace.ended(128, 0)
  expect(enoughFor(pace)).toBe(256)
})

test('with fsync nothing is enough before the end of the turn', () => {
  const pace = createPace('fsync')
  pace.ended(512, 512)
  expect(enoughFor(pace)).toBe(Number.POSITIVE_INFINITY)
})
