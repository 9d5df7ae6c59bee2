import { expect, test } from 'vitest'
import { backoffMs, checkBackoff } from './backoff.ts'
import { defineErrors } from './errors.ts'
import { retry } from './retry.ts'
import { createFakeClock } from './testing/index.ts'

const storeError = defineErrors<'DOWN' | 'NO'>({ DOWN: 'retryable', NO: 'permanent' })
const steady = { minMs: 100, factor: 2, jitter: 'none' } as const

test('pauses on the clock, longer each time, and returns the first success', async () => {
  const clock = createFakeClock()
  const tries: number[] = []
  const result = retry(
    async (attempt) => {
      tries.push(clock.now())
      if (attempt < 4) throw storeError('DOWN', 'down')
      return 'up'
    },
    { clock, backoff: steady },
  )
  await clock.advance(1_000)
  expect(await result).toBe('up')
  expect(tries).toEqual([0, 100, 300, 700])
})

test('gives the last error, untouched, when the attempts are used up', async () => {
  const clock = createFakeClock()
  const thrown: unknown[] = []
  const result = retry(
    async (attempt) => {
      thrown.push({ attempt })
      throw thrown.at(-1)
    },
    { clock, attempts: 3, backoff: steady },
  )
  const rejected = expect(result).rejects.toEqual({ attempt: 3 })
  await clock.advance(10_000)
  await rejected
  await expect(result).rejects.toBe(thrown[2])
  expect(clock.sleepers).toBe(0)
})

test('a permanent error ends at once; a TypeError is retried like any other', async () => {
  const clock = createFakeClock()
  let tries = 0
  await expect(
    retry(async () => Promise.reject(storeError('NO', `${++tries}`)), { clock, backoff: steady }),
  ).rejects.toMatchObject({ code: 'NO', message: '1' })
  const failing = retry(
    async (attempt) => {
      if (attempt === 1) throw new TypeError('fetch failed')
      return attempt
    },
    { clock, backoff: steady },
  )
  await clock.advance(100)
  expect(await failing).toBe(2)
})

test('abort ends the pause with the signal’s reason', async () => {
  const clock = createFakeClock()
  const controller = new AbortController()
  const result = retry(async () => Promise.reject(new Error('down')), {
    clock,
    attempts: Number.POSITIVE_INFINITY,
    signal: controller.signal,
    backoff: steady,
  })
  const rejected = expect(result).rejects.toThrow('enough')
  await clock.advance(150)
  controller.abort(new Error('enough'))
  await rejected
  expect(clock.sleepers).toBe(0)
})

test('a result that arrives after the abort is not lost', async () => {
  const controller = new AbortController()
  const result = await retry(
    async () => {
      controller.abort()
      return 'a lease'
    },
    { signal: controller.signal },
  )
  expect(result).toBe('a lease')
})

test('an aborted signal never begins; what the far side asks for replaces the backoff', async () => {
  let tries = 0
  const aborted = retry(async () => ++tries, { signal: AbortSignal.abort(new Error('stopped')) })
  await expect(aborted).rejects.toThrow('stopped')
  expect(tries).toBe(0)

  const clock = createFakeClock()
  const pauses: number[] = []
  const result = retry(async (attempt) => (attempt < 2 ? Promise.reject(new Error('429')) : clock.now()), {
    clock,
    backoff: steady,
    pauseMs: () => 7_000,
    onRetry: ({ pauseMs }) => pauses.push(pauseMs),
  })
  await clock.advance(7_000)
  expect(await result).toBe(7_000)
  expect(pauses).toEqual([7_000])
})

test('jitter: full draws from nothing to the pause, equal from its half', () => {
  const full = checkBackoff('backoff', { minMs: 100, maxMs: 300, jitter: 'full' })
  const equal = checkBackoff('backoff', { minMs: 100, maxMs: 300, jitter: 'equal' })
  expect([1, 2, 3, 60].map((failures) => backoffMs(full, failures, () => 0.5))).toEqual([50, 100, 150, 150])
  expect([1, 2, 3].map((failures) => backoffMs(equal, failures, () => 0))).toEqual([50, 100, 150])
  expect(backoffMs(full, 1, () => 0)).toBe(0)
})

test('bad options are refused by name', async () => {
  await expect(retry(async () => 1, { attempts: 0 })).rejects.toThrow('attempts must be')
  expect(() => checkBackoff('backoff', { minMs: 10, maxMs: 5 })).toThrow(
    'backoff.maxMs must be a number ≥ 10, got 5',
  )
  expect(() => checkBackoff('backoff', { factor: 0.5 })).toThrow('backoff.factor')
  expect(() => checkBackoff('backoff', { jitter: 'some' as never })).toThrow('backoff.jitter')
})
