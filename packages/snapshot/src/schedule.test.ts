import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { startSchedule } from './index.ts'

const minute = 60_000

test('runs at its times, never two at once, and says what it skipped', async () => {
  const clock = createFakeClock({ wall: Date.UTC(2026, 0, 1, 0, 50) })
  const seen: string[] = []
  const at = () => new Date(clock.wall()).toISOString().slice(11, 16)
  await using schedule = startSchedule({
    cron: '0 * * * *',
    clock,
    run: async (signal) => {
      seen.push(`run ${at()}`)
      if (seen.length === 1) throw new Error('first')
      await clock.sleep(150 * minute, signal)
    },
  })
  schedule.on('failed', (error) => seen.push(`failed ${(error as Error).message}`))
  schedule.on('ran', (ms) => seen.push(`ran ${ms / minute}`))
  schedule.on('skipped', (times) => seen.push(`skipped ${times}`))
  expect(schedule.next()).toBe(Date.UTC(2026, 0, 1, 1))
  await clock.advance(5 * 60 * minute)
  expect(seen).toEqual(['run 01:00', 'failed first', 'run 02:00', 'ran 150', 'skipped 2', 'run 05:00'])
})

test('follows a wall clock that is set', async () => {
  const clock = createFakeClock({ wall: Date.UTC(2026, 0, 1, 0, 0, 1) })
  let runs = 0
  await using _ = startSchedule({
    cron: '@daily',
    clock,
    run: async () => {
      runs += 1
    },
  })
  await clock.advance(minute)
  clock.setWall(Date.UTC(2026, 0, 2))
  await clock.advance(minute)
  expect(runs).toBe(1)
})

test('closing aborts the run in hand, waits for it, and leaves no timer', async () => {
  const clock = createFakeClock()
  let reason: unknown
  const run = (signal: AbortSignal) =>
    new Promise<void>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
    }).catch((error: unknown) => {
      reason = error
    })
  const schedule = startSchedule({ cron: '* * * * * *', clock, run })
  await clock.advance(1_000)
  await Promise.all([schedule.close(), schedule.close()])
  expect(reason).toBeInstanceOf(Error)
  expect(clock.sleepers).toBe(0)
})

test('a pattern or zone that is none is refused at once', () => {
  const run = async () => {}
  expect(() => startSchedule({ cron: 'often', run })).toThrow(RangeError)
  expect(() => startSchedule({ cron: '@daily', timeZone: 'Mars/Olympus', run })).toThrow(RangeError)
})
