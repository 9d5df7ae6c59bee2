import fc from 'fast-check'
import { expect, test } from 'vitest'
import { simulate, type Verdict } from './simulation.test.kit.ts'

const runs = process.env['HOLDFAST_DEEP'] === '1' ? 100_000 : 400

test('random graphs with random failures: order holds, nothing leaks, the budget is kept', {
  timeout: 1_800_000, // two minutes of one core, and of a busy machine many more
}, async () => {
  const ends: Record<Verdict['end'], number> = { 'boot failed': 0, 'gave up': 0, closed: 0 }
  let starts = 0
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const verdict = await simulate(seed)
      ends[verdict.end] += 1
      starts += verdict.starts
      expect(verdict.faults).toEqual([])
    }),
    { numRuns: runs, endOnFailure: true },
  )
  // The property says nothing unless every kind of end is met.
  expect(Math.min(...Object.values(ends))).toBeGreaterThan(runs / 50)
  expect(starts).toBeGreaterThan(runs * 3)
})
