import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { createDeadlines } from './deadlines.ts'
import { buildGraph, withDependents } from './graph.ts'
import { failuresInARow, isExceeded, longestCrashLoopMs, noteRestart, recent } from './intensity.ts'
import { climbed, foot, rungToTry } from './ladder.ts'
import { outcomeOf } from './outcome.ts'
import { type Goal, nextStep, type Phase, restartGoals, restartsAfter, type Standing } from './plan.ts'

// a ← b ← c, a ← d, and e alone
const graph = buildGraph([
  { name: 'a', needs: [] },
  { name: 'b', needs: ['a'] },
  { name: 'c', needs: ['b', 'a'] },
  { name: 'd', needs: ['a', 'a'] },
  { name: 'e', needs: [] },
])

function standings(changes: Record<string, [Phase, Goal] | [Phase, Goal, 'paused']>): Map<string, Standing> {
  return new Map(
    graph.names.map((name) => {
      const [phase, goal, paused] = changes[name] ?? ['up', 'up']
      return [name, { phase, goal, paused: paused === 'paused' }]
    }),
  )
}

test('a group is the unit and all that needs it, in the order of declaration', () => {
  expect(withDependents(graph, 'a')).toEqual(['a', 'b', 'c', 'd'])
  expect(withDependents(graph, 'b')).toEqual(['b', 'c'])
  expect(withDependents(graph, 'e')).toEqual(['e'])
  expect(graph.dependents.get('a')).toEqual(['b', 'c', 'd'])
})

test('a unit starts when all it needs is up to stay', () => {
  const step = (changes: Parameters<typeof standings>[0]) =>
    nextStep(graph, standings({ c: ['down', 'up'], ...changes }), 'c')
  expect(step({})).toBe('start')
  expect(step({ c: ['down', 'up', 'paused'] })).toBeUndefined()
  expect(step({ c: ['down', 'down'] })).toBeUndefined()
  expect(step({ c: ['starting', 'up'] })).toBeUndefined()
  expect(step({ a: ['starting', 'up'] })).toBeUndefined()
  expect(step({ b: ['up', 'restart'] })).toBeUndefined()
})

test('a unit is stopped when nothing that needs it is left', () => {
  const step = (changes: Parameters<typeof standings>[0]) =>
    nextStep(graph, standings({ b: ['up', 'restart'], ...changes }), 'b')
  expect(step({ c: ['down', 'up'] })).toBe('stop')
  expect(step({ c: ['stopping', 'down'] })).toBeUndefined()
  expect(step({ c: ['starting', 'down'] })).toBeUndefined()
  expect(step({ b: ['stopping', 'down'], c: ['down', 'up'] })).toBeUndefined()
  expect(step({ b: ['up', 'up'], c: ['down', 'up'] })).toBeUndefined()
})

test('a restart leaves down what is temporary or down for good, and what needs that', () => {
  const types = new Map(graph.names.map((name) => [name, name === 'b' ? 'temporary' : 'permanent'] as const))
  expect([...restartGoals(graph, standings({}), types, 'a')]).toEqual([
    ['a', 'restart'],
    ['b', 'down'],
    ['c', 'down'],
    ['d', 'restart'],
  ])
  expect(restartGoals(graph, standings({}), types, 'b').get('b')).toBe('restart')
  const permanent = new Map(graph.names.map((name) => [name, 'permanent'] as const))
  expect(restartGoals(graph, standings({ d: ['down', 'down'] }), permanent, 'a').get('d')).toBe('down')
})

test('restart types', () => {
  expect([restartsAfter('permanent', false), restartsAfter('permanent', true)]).toEqual([true, true])
  expect([restartsAfter('transient', false), restartsAfter('transient', true)]).toEqual([false, true])
  expect([restartsAfter('temporary', false), restartsAfter('temporary', true)]).toEqual([false, false])
})

test('the window slides: what is as old as it is long has left it', () => {
  const intensity = { max: 2, perMs: 100 }
  const window = [0, 50, 99].reduce((sum: readonly number[], at) => noteRestart(sum, at, intensity), [])
  expect(isExceeded(window, intensity)).toBe(true)
  expect(noteRestart([0, 50], 100, intensity)).toEqual([50, 100])
  expect(recent(window, 150, 100)).toEqual([99])
})

test('failures in a row end with healthy uptime', () => {
  expect([failuresInARow(3, 99, 100), failuresInARow(3, 100, 100), failuresInARow(0, 0, 100)]).toEqual([
    4, 1, 1,
  ])
})

test('the longest crash loop is the sum of the pauses', () => {
  const backoff = { minMs: 100, maxMs: 1_000, factor: 2, jitter: 'full' } as const
  expect([0, 1, 4, 6].map((max) => longestCrashLoopMs(backoff, max))).toEqual([0, 100, 1_500, 3_500])
  expect(longestCrashLoopMs({ ...backoff, factor: 1 }, 1_000_000)).toBe(1e8)
  expect(longestCrashLoopMs({ ...backoff, minMs: 0 }, 5)).toBe(0)
})

test('a ladder is climbed, stays on its last rung, and is left after healthy time', () => {
  expect(rungToTry(foot, 0, 100, 3)).toBe(0)
  const once = climbed(0, 10)
  expect([rungToTry(once, 50, 100, 3), rungToTry(once, 110, 100, 3)]).toEqual([1, 0])
  expect(rungToTry(climbed(2, 10), 20, 100, 3)).toBe(2)
})

test('deadlines: the earliest first, whenever it was set; those met leave no trace', async () => {
  const clock = createFakeClock()
  const deadlines = createDeadlines(clock)
  const told: string[] = []
  deadlines.after(300, () => told.push(`c ${clock.now()}`))
  deadlines.after(100, () => told.push(`a ${clock.now()}`))
  deadlines.after(200, () => told.push('never'))()
  const overrun = deadlines.within(new Promise<never>(() => {}), 200)
  const met = await deadlines.within(
    outcomeOf(() => 7),
    50,
  )
  await clock.advance(1_000)
  expect(met).toEqual({ kind: 'done', value: 7 })
  expect(await overrun).toEqual({ kind: 'overrun' })
  expect(told).toEqual(['a 100', 'c 300'])
  expect(clock.sleepers).toBe(0)
})

test('deadlines: an abort ends one wait, a cut all of them, and then a turn is left', async () => {
  const clock = createFakeClock()
  const deadlines = createDeadlines(clock)
  const never = new Promise<never>(() => {})
  const scope = new AbortController()
  const waits = [deadlines.within(never, 9, scope.signal), deadlines.within(never, Number.POSITIVE_INFINITY)]
  scope.abort()
  expect(await waits[0]).toEqual({ kind: 'overrun' })
  expect(await deadlines.within(never, 9, scope.signal)).toEqual({ kind: 'overrun' })
  deadlines.cut()
  expect(await waits[1]).toEqual({ kind: 'overrun' })
  const after = [
    deadlines.within(
      outcomeOf(() => 1),
      5_000,
    ),
    deadlines.within(never, 5_000),
  ]
  await clock.advance(0)
  expect(await Promise.all(after)).toEqual([{ kind: 'done', value: 1 }, { kind: 'overrun' }])
  deadlines.end()
  expect(clock.sleepers).toBe(0)
})
