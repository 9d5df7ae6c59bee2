import { expect, expectTypeOf, test } from 'vitest'
import { createAgent } from './agent.ts'
import { unit } from './lab.test.kit.ts'

// The compiler's part is in the comments: `tsc -b` fails where an expected error does not come.

test('a start gets exactly what it needs, with its type', () => {
  const agent = createAgent()
    .unit('config', [], () => ({ ...unit(), region: 'north' }))
    .unit('queue', ['config'], async ({ config }) => {
      expectTypeOf(config.region).toEqualTypeOf<string>()
      return { ...unit(), depth: 3 }
    })
    .unit('uplink', ['queue', 'config'], (needs, signal) => {
      expectTypeOf<keyof typeof needs>().toEqualTypeOf<'queue' | 'config'>()
      expectTypeOf(needs.queue.depth).toEqualTypeOf<number>()
      expectTypeOf(signal).toEqualTypeOf<AbortSignal>()
      return unit()
    })
  expectTypeOf(agent.heal).parameter(0).toEqualTypeOf<'config' | 'queue' | 'uplink'>()
  expectTypeOf<keyof ReturnType<typeof agent.status>>().toEqualTypeOf<'config' | 'queue' | 'uplink'>()
})

test('a need that does not stand above is refused', () => {
  const agent = createAgent().unit('config', [], () => unit())
  // @ts-expect-error 'queue' is not declared
  expect(() => agent.unit('uplink', ['queue'], () => unit())).toThrow(
    new TypeError("needs of unit 'uplink' must stand above it, got 'queue'"),
  )
  // @ts-expect-error a unit cannot need itself
  expect(() => agent.unit('loop', ['loop'], () => unit())).toThrow(TypeError)
})

test('a duplicate name is refused', () => {
  const agent = createAgent().unit('config', [], () => unit())
  // @ts-expect-error a unit named 'config' stands above
  expect(() => agent.unit('config', [], () => unit())).toThrow(
    new TypeError("name must be new, got 'config', which stands above"),
  )
})

test('a start must return what can be closed, and gets nothing it did not ask for', () => {
  const agent = createAgent().unit('config', [], () => unit())
  // @ts-expect-error a number cannot be closed
  agent.unit('number', [], () => 3)
  // @ts-expect-error 'config' is not among the needs
  agent.unit('greedy', [], ({ config }) => config)
  // @ts-expect-error no such unit
  void agent.heal('nobody', 'why').catch(() => undefined)
})

test('a remedy knows its unit and its needs', () => {
  createAgent()
    .unit('config', [], () => ({ ...unit(), refresh: async () => 1 }))
    .unit('session', ['config'], () => ({ ...unit(), register: async () => 2 }), {
      heal: [
        { name: 'refresh', apply: ({ needs }) => needs.config.refresh() },
        { name: 'register', apply: ({ unit: session }) => session.register() },
        'restart',
      ],
    })
  expect(() =>
    // @ts-expect-error no such rung
    createAgent().unit('session', [], () => unit(), { heal: ['reboot'] }),
  ).toThrow(TypeError)
})

test('a start may heal what stands above it, and nothing else', () => {
  const agent = createAgent()
    .unit('above', [], () => unit())
    .unit('healing', [], (_, __, { heal }) => {
      expectTypeOf(heal).parameter(0).toEqualTypeOf<'above'>()
      // @ts-expect-error a unit that stands below
      void (() => heal('below', 'why'))
      return unit()
    })
  expectTypeOf(agent.heal).parameter(0).toEqualTypeOf<'above' | 'healing'>()
})
