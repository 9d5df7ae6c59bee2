import { isHoldfastError } from '@holdfast/core'
import { expect, expectTypeOf, test } from 'vitest'
import { planRecovery } from './plan.ts'

// The compiler's part is in the comments: `tsc -b` fails where an expected error does not come.

const rtoMs = { 1: 60_000, 2: 3_600_000 } as const
const plain = {
  tier: 1,
  needs: [],
  expectMs: 1,
  state: async () => undefined,
  start: async () => true,
  healthy: async () => true,
} as const

test('values flow from a step to those that need it, with their types', () => {
  const plan = planRecovery({ rtoMs })
    .step('db', {
      tier: 1,
      needs: [],
      expectMs: 30_000,
      state: async ({ key, folder }) => {
        expectTypeOf(key).toEqualTypeOf<string>()
        expectTypeOf(folder).toEqualTypeOf<string>()
        return undefined
      },
      start: async ({ signal }) => {
        expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
        return { port: 5432 }
      },
      healthy: async ({ value }) => {
        expectTypeOf(value).toEqualTypeOf<{ port: number }>()
        return value.port > 0
      },
    })
    .step('auth', {
      tier: 2,
      needs: ['db'],
      expectMs: 5_000,
      state: async ({ needs }) => `http://auth?db=${needs.db.port}`,
      verify: async ({ needs }) => expectTypeOf(needs).toEqualTypeOf<{ readonly db: { port: number } }>(),
      start: async ({ needs }) => {
        expectTypeOf(needs).toEqualTypeOf<{ readonly db: { port: number } }>()
        return 'http://auth'
      },
      healthy: async ({ value }) => value.startsWith('http'),
      traffic: async ({ value, needs }) => {
        expectTypeOf(value).toEqualTypeOf<string>()
        expectTypeOf(needs.db.port).toEqualTypeOf<number>()
      },
    })
  expectTypeOf(plan.waves()).toEqualTypeOf<readonly (readonly ('db' | 'auth')[])[]>()
  expect(plan.waves()).toEqual([['db'], ['auth']])
})

test('a step that names a missing or a later step does not compile, and throws a coded error', () => {
  const plan = planRecovery({ rtoMs }).step('db', plain)
  // @ts-expect-error 'cache' is not declared
  expect(codeOf(() => plan.step('auth', { ...plain, needs: ['cache'] }))).toEqual({
    code: 'RECOVERY_STEP_MISSING',
    fields: { step: 'auth', needs: 'cache' },
  })
  // @ts-expect-error a step cannot need itself
  expect(codeOf(() => plan.step('web', { ...plain, needs: ['web'] })).code).toBe('RECOVERY_STEP_MISSING')
})

test('a duplicate name, an unknown tier, and a step without a value are refused', () => {
  const plan = planRecovery({ rtoMs }).step('db', plain)
  // @ts-expect-error a step named 'db' stands above
  expect(() => plan.step('db', plain)).toThrow(TypeError)
  // @ts-expect-error there is no tier 3
  expect(() => plan.step('auth', { ...plain, tier: 3 })).toThrow(RangeError)
  // @ts-expect-error nothing to hand to those that need it
  plan.step('void', { ...plain, start: async () => undefined })
  // @ts-expect-error what state finds is what start returns
  plan.step('other', { ...plain, state: async () => 'a string' })
  // @ts-expect-error 'db' is not among the needs
  plan.step('greedy', { ...plain, start: async ({ needs }) => needs.db })
})

test('what several steps have in common can be spread into them', () => {
  const service = (name: string) => ({
    state: async ({ key }: { key: string }) => (key === name ? `http://${name}` : undefined),
    healthy: async ({ value }: { value: string }) => value.startsWith('http'),
  })
  const plan = planRecovery({ rtoMs })
    .step('db', {
      tier: 1,
      needs: [],
      expectMs: 1,
      ...service('db'),
      start: async ({ key }) => `http://${key}`,
    })
    .step('auth', {
      ...service('auth'),
      tier: 2,
      needs: ['db'],
      expectMs: 1,
      start: async ({ needs }) => needs.db.concat('/auth'),
    })
  expect(plan.waves()).toEqual([['db'], ['auth']])
})

test('bad options are refused, and named', () => {
  expect(() => planRecovery({ rtoMs: { 1: 0 } })).toThrow('rtoMs of tier 1')
  expect(() => planRecovery({ rtoMs: { 1: Number.POSITIVE_INFINITY } })).toThrow('rtoMs of tier 1')
  expect(() => planRecovery({ rtoMs, slots: 0 })).toThrow('slots')
  expect(() => planRecovery({ rtoMs, steps: { pollMs: -1 } })).toThrow('pollMs of steps')
  const plan = planRecovery({ rtoMs })
  expect(() => plan.step('db', { ...plain, expectMs: -1 })).toThrow("expectMs of step 'db'")
  expect(() => plan.step('db', { ...plain, attempts: 0 })).toThrow("attempts of step 'db'")
  expect(() => plan.step('db', { ...plain, graceMs: Number.NaN })).toThrow("graceMs of step 'db'")
  expect(() => plan.forecast({ db: -1 })).toThrow("figures of step 'db'")
})

function codeOf(call: () => unknown): { code: string; fields: unknown } {
  try {
    call()
  } catch (error) {
    if (isHoldfastError(error)) return { code: error.code, fields: error.fields }
    throw error
  }
  throw new Error('nothing was thrown')
}
