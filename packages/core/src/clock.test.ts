import { expect, test } from 'vitest'
import { systemClock } from './clock.ts'

test('a sleep never ends early by its own clock', async () => {
  for (const ms of [0.4, 1, 1.7, 3]) {
    const start = systemClock.now()
    await systemClock.sleep(ms)
    expect(systemClock.now() - start).toBeGreaterThanOrEqual(ms)
  }
})

test('an abort ends a sleep, also one without end; an aborted one never begins', async () => {
  const controller = new AbortController()
  const asleep = Promise.all([
    systemClock.sleep(2 ** 40, controller.signal),
    systemClock.sleep(Number.POSITIVE_INFINITY, controller.signal),
  ])
  controller.abort()
  await asleep
  await systemClock.sleep(Number.POSITIVE_INFINITY, controller.signal)
})

test('a sleep of nothing still lets the event loop turn', async () => {
  let turned = false
  setImmediate(() => {
    turned = true
  })
  await systemClock.sleep(0)
  await systemClock.sleep(-5)
  expect(turned).toBe(true)
})

test('NaN is refused', async () => {
  await expect(systemClock.sleep(Number.NaN)).rejects.toThrow(RangeError)
})

test('wall and uptime tell milliseconds', () => {
  expect(Math.abs(systemClock.wall() - Date.now())).toBeLessThan(1_000)
  expect(systemClock.uptime()).toBeGreaterThan(1_000)
})
