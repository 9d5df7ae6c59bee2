import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkPolicy, type RetentionPolicy, selectKept } from './retention.ts'

const hour = 3_600_000
const at = (iso: string): { timeMs: number } => ({ timeMs: Date.parse(iso) })

function kept(refs: readonly { timeMs: number }[], policy: RetentionPolicy, timeZone = 'UTC'): string[] {
  const keeps = selectKept(refs, policy, timeZone)
  return refs
    .filter((_, index) => keeps[index])
    .map(({ timeMs }) => new Date(timeMs).toISOString().slice(0, 16))
}

const hours = (from: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ timeMs: Date.parse(from) + index * hour }))

test('the newest of each hour, day, week, month and year that has one', () => {
  const days = Array.from({ length: 800 }, (_, day) =>
    at(new Date(Date.UTC(2024, 0, 1 + day, 5)).toISOString()),
  )
  expect(kept(days, { daily: 2 })).toEqual(['2026-03-09T05:00', '2026-03-10T05:00'])
  expect(kept(days, { weekly: 2 })).toEqual(['2026-03-08T05:00', '2026-03-10T05:00'])
  expect(kept(days, { monthly: 2 })).toEqual(['2026-02-28T05:00', '2026-03-10T05:00'])
  expect(kept(days, { yearly: 3 })).toEqual(['2024-12-31T05:00', '2025-12-31T05:00', '2026-03-10T05:00'])
  expect(kept(hours('2026-01-01T00:30Z', 5), { hourly: 2 })).toEqual(['2026-01-01T03:30', '2026-01-01T04:30'])
  expect(kept([at('2026-01-01T00:10Z'), at('2026-01-01T00:50Z')], { hourly: 5 })).toEqual([
    '2026-01-01T00:50',
  ])
  expect(kept(days, { last: 1, within: '2d' })).toEqual(['2026-03-09T05:00', '2026-03-10T05:00'])
})

test('rules add up, and ages count from the newest snapshot', () => {
  const snapshots = hours('2026-01-01T00:00Z', 24 * 10)
  expect(kept(snapshots, { within: '3h' })).toEqual([
    '2026-01-10T21:00',
    '2026-01-10T22:00',
    '2026-01-10T23:00',
  ])
  expect(kept(snapshots, { withinDaily: '2d', last: 2 })).toEqual([
    '2026-01-09T23:00',
    '2026-01-10T22:00',
    '2026-01-10T23:00',
  ])
})

test('daylight saving: a day of 25 hours is one day, and its doubled hour is two', () => {
  // On 25 October 2026 at 01:00 UTC Berlin's clocks go back from 03:00 to 02:00.
  const autumn = hours('2026-10-24T22:00Z', 25)
  expect(kept(autumn, { daily: 5 }, 'Europe/Berlin')).toEqual(['2026-10-25T22:00'])
  expect(kept(autumn, { hourly: 100 }, 'Europe/Berlin')).toHaveLength(25)
  // On 29 March 2026 at 01:00 UTC they go forward: the day has 23.
  const spring = hours('2026-03-28T23:00Z', 24)
  expect(kept(spring, { daily: 5 }, 'Europe/Berlin')).toEqual(['2026-03-29T21:00', '2026-03-29T22:00'])
})

test('a policy that says nothing, or nonsense, is refused', () => {
  for (const policy of [
    {},
    { daily: -1 },
    { daily: 1.5 },
    { within: '3 days' },
    { dayly: 3 } as RetentionPolicy,
  ])
    expect(() => checkPolicy('keep', policy)).toThrow(/keep/)
  expect(() => selectKept([at('2026-01-01')], { daily: 1 }, 'Mars/Olympus')).toThrow(RangeError)
})

test('the newest is always kept, more is never kept by less, and a second run forgets nothing', () => {
  const times = fc.array(fc.integer({ min: 0, max: 2_000_000_000_000 }), { minLength: 1, maxLength: 60 })
  const policies = fc.record({
    hourly: fc.nat(9),
    daily: fc.nat(9),
    monthly: fc.nat(9),
    last: fc.integer({ min: 1, max: 9 }),
  })
  fc.assert(
    fc.property(times, policies, (list, policy) => {
      const refs = list.map((timeMs) => ({ timeMs }))
      const keeps = selectKept(refs, policy, 'Europe/Berlin')
      const rest = refs.filter((_, index) => keeps[index])
      expect(rest.some(({ timeMs }) => timeMs === Math.max(...list))).toBe(true)
      expect(selectKept(rest, policy, 'Europe/Berlin').every(Boolean)).toBe(true)
      const more = selectKept(refs, { ...policy, daily: policy.daily + 1 }, 'Europe/Berlin')
      expect(keeps.every((kept, index) => !kept || more[index])).toBe(true)
    }),
    { verbose: true },
  )
})
