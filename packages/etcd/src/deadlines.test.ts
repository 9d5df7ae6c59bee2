import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { createDeadlines } from './deadlines.ts'

test('each item is overdue once, at its own time, unless it was settled; one timer serves all', async () => {
  const clock = createFakeClock()
  const overdue: string[] = []
  const deadlines = createDeadlines<{ name: string; settled: boolean }>({
    timeoutMs: 100,
    clock,
    onOverdue: ({ name }) => overdue.push(`${name} at ${clock.now()}`),
  })
  const items = ['a', 'b', 'c', 'd'].map((name) => ({ name, settled: false }))
  for (const item of items) {
    deadlines.add(item)
    await clock.advance(10)
  }
  expect(clock.sleepers).toBe(1)
  items[1]!.settled = true
  await clock.advance(85)
  expect(overdue).toEqual(['a at 100', 'c at 120'])
  deadlines.clear()
  await clock.advance(100)
  expect([overdue.length, clock.sleepers]).toEqual([2, 0])

  deadlines.add({ name: 'e', settled: false })
  await clock.advance(100)
  expect([overdue.at(-1), clock.sleepers]).toEqual(['e at 325', 0])
})
