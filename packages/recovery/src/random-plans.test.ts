import fc from 'fast-check'
import { expect, test } from 'vitest'
import { simulate } from './simulation.test.kit.ts'

const runs = process.env['HOLDFAST_DEEP'] ? 100_000 : 200

test('random plans, failures and deaths: order holds, lower tiers first, nothing starts twice, the RTO adds up', {
  timeout: 3_600_000,
}, async () => {
  const seen = { recovered: 0, incomplete: 0, drill: 0, deaths: 0, starts: 0, missed: 0, skipped: 0 }
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const { faults, report, starts, deaths } = await simulate(seed)
      expect(faults).toEqual([])
      if (report.outcome !== 'aborted') seen[report.outcome!] += 1
      seen.drill += report.mode === 'drill' ? 1 : 0
      seen.missed += report.tiers.filter(({ verdict }) => verdict === 'missed').length
      seen.skipped += report.steps.filter(({ state }) => state === 'skipped').length
      seen.deaths += deaths
      seen.starts += starts
    }),
    { numRuns: runs, endOnFailure: true },
  )
  // The property says nothing unless all of it is met.
  expect(Math.min(...Object.values(seen)), JSON.stringify(seen)).toBeGreaterThan(runs / 10)
})
