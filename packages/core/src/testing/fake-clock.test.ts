import { expect, test } from 'vitest'
import { createFakeClock } from './fake-clock.ts'
import { createSeededRandom } from './random.ts'

test('wakes sleepers at their own time, in order of time and then of call', async () => {
  const clock = createFakeClock()
  const woken: string[] = []
  const sleep = async (name: string, ms: number): Promise<void> => {
    await clock.sleep(ms)
    woken.push(`${name} at ${clock.now()}`)
  }
  void sleep('c', 30)
  void sleep('a', 10)
  void sleep('b', 10).then(() => sleep('nested', 5))
  await clock.advance(20)
  expect(woken).toEqual(['a at 10', 'b at 10', 'nested at 15'])
  expect([clock.now(), clock.sleepers]).toEqual([20, 1])
  await clock.advance(10)
  expect(woken.at(-1)).toBe('c at 30')
})

test('advances that overlap follow one another', async () => {
  const clock = createFakeClock()
  await Promise.all([clock.advance(5), clock.advance(5)])
  expect(clock.now()).toBe(10)
  expect(() => clock.advance(-1)).toThrow(RangeError)
})

test('a stall: time has passed before anybody wakes', async () => {
  const clock = createFakeClock()
  let woken = 0
  void clock.sleep(10).then(() => {
    woken = clock.now()
  })
  clock.stall(500)
  expect([clock.now(), woken]).toEqual([500, 0])
  await clock.advance(0)
  expect(woken).toBe(500)
})

test('a suspension moves wall and uptime alone, and the wall clock can be set', () => {
  const clock = createFakeClock({ now: 1_000, wall: 5_000 })
  const uptime = clock.uptime()
  clock.suspend(60_000)
  expect([clock.now(), clock.wall(), clock.uptime() - uptime]).toEqual([1_000, 65_000, 60_000])
  clock.setWall(1)
  expect([clock.now(), clock.wall()]).toEqual([1_000, 1])
})

test('an abort ends a sleep and forgets it', async () => {
  const clock = createFakeClock()
  const controller = new AbortController()
  const asleep = clock.sleep(Number.POSITIVE_INFINITY, controller.signal)
  controller.abort()
  await asleep
  await clock.sleep(10, controller.signal)
  expect(clock.sleepers).toBe(0)
  await expect(clock.sleep(Number.NaN)).rejects.toThrow(RangeError)
})

test('a seed repeats its numbers, all in [0, 1)', () => {
  const [first, second, other] = [7, 7, 8].map((seed) => {
    const random = createSeededRandom(seed)
    return Array.from({ length: 1_000 }, random)
  })
  expect(first).toEqual(second)
  expect(first).not.toEqual(other)
  expect(first!.every((number) => number >= 0 && number < 1)).toBe(true)
  expect(Math.abs(first!.reduce((sum, number) => sum + number) / 1_000 - 0.5)).toBeLessThan(0.05)
})
