import { expect, test } from 'vitest'
import type { Check } from './check.ts'
import { planCheck, refuseCycles, refuseUnknownNeeds } from './check-plan.ts'

const check: Check = { name: 'db', run: async () => undefined }

test('defaults are filled in, and nothing stays shared with the caller', () => {
  const needs = ['disk']
  const plan = planCheck({ ...check, needs })
  needs.push('later')
  expect(plan).toMatchObject({
    name: 'db',
    gates: ['ready'],
    intervalMs: 10_000,
    timeoutMs: 5_000,
    staleAfterMs: 25_000,
    passAfter: 1,
    failAfter: 3,
    needs: ['disk'],
    soft: false,
  })
})

test.each<[string, Partial<Check>, RegExp]>([
  ['no name', { name: '' }, /check\.name/],
  ['a name with a line break', { name: 'a\nb' }, /control characters/],
  ['a name without end', { name: 'x'.repeat(129) }, /128 characters/],
  ['no run', { run: undefined as never }, /'db': run/],
  ['an unknown gate', { gates: ['alive' as never] }, /gates/],
  ['no interval', { intervalMs: 0 }, /intervalMs/],
  ['no timeout', { timeoutMs: 0 }, /timeoutMs/],
  [
    'a staleness that a slow pass would reach',
    { intervalMs: 1_000, timeoutMs: 500, staleAfterMs: 1_499 },
    /staleAfterMs/,
  ],
  ['half a pass', { passAfter: 0.5 }, /passAfter/],
  ['no failures', { failAfter: 0 }, /failAfter/],
  ['an unnamed need', { needs: [''] }, /needs/],
  ['an unknown scope', { scope: 'inside' as never }, /scope/],
])('refuses %s, naming the option', (_, bad, message) => {
  expect(() => planCheck({ ...check, ...bad })).toThrow(message)
})

test('liveness never restarts a process for the fault of another', () => {
  expect(() => planCheck({ ...check, gates: ['live'] })).toThrow(/looks outside/)
  expect(() => planCheck({ ...check, gates: ['live'], scope: 'process', needs: ['disk'] })).toThrow(/needs/)
  expect(planCheck({ ...check, gates: ['live'], scope: 'process' }).gates).toEqual(['live'])
})

test('a ring of needs is refused by its names, and so is a need that no check answers to', () => {
  const plans = [
    planCheck({ ...check, name: 'entry', needs: ['a'] }),
    planCheck({ ...check, name: 'a', needs: ['b'] }),
    planCheck({ ...check, name: 'b', needs: ['c'] }),
    planCheck({ ...check, name: 'c', needs: ['a'] }),
  ]
  expect(() => refuseCycles(plans)).toThrow('a → b → c → a')
  expect(() => refuseCycles(plans.slice(0, 3))).not.toThrow()
  expect(() => refuseCycles([planCheck({ ...check, needs: ['db'] })])).toThrow('db → db')
  expect(() => refuseUnknownNeeds(plans, new Set(['a', 'b']))).toThrow("'c'")
})
