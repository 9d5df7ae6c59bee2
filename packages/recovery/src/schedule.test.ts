import type { Random } from '@holdfast/core'
import { createSeededRandom } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { arrange, type Timed } from './forecast.ts'
import { buildGraph, type Graph } from './graph.ts'
import { planRecovery } from './plan.ts'
import { priorityOrder } from './priority.ts'
import { listSchedule } from './schedule.ts'

const step = (name: string, tier: number, expectMs: number, needs: string[] = []): Timed => ({
  ...{ name, tier, expectMs, needs },
})
const ends = (graph: Graph<Timed>, order: readonly string[], slots: number): Map<number, number> => {
  const last = new Map<number, number>()
  const durationMs = (name: string): number => graph.byName.get(name)!.expectMs
  for (const [name, { readyMs }] of listSchedule(graph, order, durationMs, slots)) {
    const urgency = graph.urgency.get(name)!
    last.set(urgency, Math.max(last.get(urgency) ?? 0, readyMs))
  }
  return last
}

test('waves: each step as early as its needs allow', () => {
  const plan = planRecovery({ rtoMs: { 1: 1 } })
  const own = {
    tier: 1,
    expectMs: 1,
    state: async () => undefined,
    start: async () => 1,
    healthy: async () => true,
  } as const
  const built = plan
    .step('db', { ...own, needs: [] })
    .step('auth', { ...own, needs: ['db'] })
    .step('mail', { ...own, needs: [] })
    .step('web', { ...own, needs: ['auth', 'db'] })
  expect(built.waves()).toEqual([['db', 'mail'], ['auth'], ['web']])
  expect(built.problems().filter(({ kind }) => kind === 'tier-inversion')).toEqual([])
})

test('a forecast gives slots to lower tiers first, and to those that these wait for', () => {
  const graph = buildGraph([
    step('batch', 3, 100),
    step('disk', 3, 10),
    step('db', 1, 20, ['disk']),
    step('mail', 2, 30),
  ])
  const { steps, tiers, readyMs } = arrange(graph, { rtoMs: { 1: 15, 2: 60, 3: 900 }, slots: 1 }).forecast
  expect(steps.map((one) => [one.step, one.beginMs, one.readyMs])).toEqual([
    ...[
      ['disk', 0, 10],
      ['db', 10, 30],
      ['mail', 30, 60],
      ['batch', 60, 160],
    ],
  ])
  expect(tiers.map((tier) => [tier.tier, tier.readyMs])).toEqual([
    [1, 30],
    [2, 60],
    [3, 160],
  ])
  expect(readyMs).toBe(160)
})

test('figures of a drill take the place of what is expected', () => {
  const graph = buildGraph([step('db', 1, 10), step('web', 1, 10, ['db'])])
  expect(arrange(graph, { rtoMs: { 1: 1 }, slots: 2 }, { web: 25, gone: 9 }).forecast.readyMs).toBe(35)
})

test('with too few slots, the longest path goes first; where that is all the same, the short ones', () => {
  const short = ['x', 'y', 'z'].map((name) => step(name, 1, 5))
  const chain = [step('a', 1, 5), step('b', 1, 5, ['a']), step('c', 1, 5, ['b'])]
  expect(arrange(buildGraph([...short, ...chain]), { rtoMs: { 1: 1 }, slots: 2 }).forecast.readyMs).toBe(15)
  const { steps, readyMs } = arrange(buildGraph([step('long', 1, 9), step('short', 1, 1)]), {
    rtoMs: { 1: 1 },
    slots: 1,
  }).forecast
  expect([steps[0]?.step, readyMs]).toEqual(['short', 10])
})

test('problems: tier inversion, a critical path beyond the RTO, and too few slots', () => {
  const own = { state: async () => undefined, start: async () => 1, healthy: async () => true }
  const plan = planRecovery({ rtoMs: { 1: 100, 2: 100, 3: 500 }, slots: 1 })
    .step('disk', { tier: 3, needs: [], expectMs: 60, ...own })
    .step('db', { tier: 1, needs: ['disk'], expectMs: 50, ...own })
    .step('mail', { tier: 2, needs: [], expectMs: 90, ...own })
  expect(plan.problems().map(({ message: _, ...problem }) => problem)).toEqual([
    { kind: 'tier-inversion', step: 'db', needs: 'disk' },
    { kind: 'critical-path', tier: 1, path: ['disk', 'db'], forecastMs: 110, rtoMs: 100 },
    { kind: 'slots', tier: 2, forecastMs: 200, rtoMs: 100 },
  ])
  expect(plan.problems({ disk: 10, db: 10, mail: 10 })).toHaveLength(1)
})

test('up to six steps: the order is within 1.1 of the best of all orders, and nearly always it', () => {
  let sum = 0
  const plans = process.env['HOLDFAST_DEEP'] ? 3_000 : 60
  for (let seed = 1; seed <= plans; seed += 1) {
    const random = createSeededRandom(seed)
    const graph = randomGraph(random, 6, 1)
    const slots = 2 + Math.floor(random() * 2)
    const own = ends(graph, orderOf(graph, slots), slots).get(1)!
    const best = Math.min(...[...orders(graph.steps)].map((order) => ends(graph, order, slots).get(1)!))
    expect(own / best, `seed ${seed}`).toBeLessThanOrEqual(1.15)
    sum += own / best
  }
  expect(sum / plans).toBeLessThan(1.003)
})

test('a higher tier never makes a lower one ready later than it would be alone, but for slots that it holds already', () => {
  for (let seed = 1; seed <= 300; seed += 1) {
    const graph = randomGraph(createSeededRandom(seed), 8, 3)
    const order = orderOf(graph, 2)
    const urgencies = order.map((name) => graph.urgency.get(name)!)
    expect(urgencies, `seed ${seed}`).toEqual(urgencies.toSorted((one, other) => one - other))
  }
})

test('a thousand steps are ordered in bounded work', () => {
  const graph = randomGraph(createSeededRandom(1), 1_000, 3, 0.002)
  expect(new Set(orderOf(graph, 4)).size).toBe(1_000)
})

function orderOf(graph: Graph<Timed>, slots: number): readonly string[] {
  return priorityOrder(graph, (name) => graph.byName.get(name)!.expectMs, slots)
}

function randomGraph(random: Random, count: number, tiers: number, density = random() * 0.6): Graph<Timed> {
  const names: string[] = []
  return buildGraph(
    Array.from({ length: count }, (_, at) => {
      const needs = names.filter(() => random() < density)
      names.push(`s${at}`)
      return step(`s${at}`, 1 + Math.floor(random() * tiers), 1 + Math.floor(random() * 20), needs)
    }),
  )
}

/** All orders of some steps. B. R. Heap, "Permutations by Interchanges" (1963). */
function* orders(
  steps: readonly Timed[],
  names = steps.map(({ name }) => name),
  count = names.length,
): Generator<readonly string[]> {
  if (count <= 1) yield names
  for (let at = 0; count > 1 && at < count; at += 1) {
    yield* orders(steps, names, count - 1)
    const other = count % 2 === 0 ? at : 0
    ;[names[other], names[count - 1]] = [names[count - 1]!, names[other]!]
  }
}
