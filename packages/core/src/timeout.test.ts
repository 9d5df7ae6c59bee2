import { expect, test } from 'vitest'
import { createFakeClock } from './testing/index.ts'
import { withTimeout } from './timeout.ts'

const late = (): Error => new Error('too late')

test('gives the result of an operation that is in time, and leaves no sleeper', async () => {
  const clock = createFakeClock()
  const result = withTimeout(() => clock.sleep(50).then(() => 'done'), {
    timeoutMs: 100,
    onTimeout: late,
    clock,
  })
  await clock.advance(50)
  expect(await result).toBe('done')
  expect(clock.sleepers).toBe(0)
})

test('an operation that ignores its signal is left behind; its late rejection harms nobody', async () => {
  const clock = createFakeClock()
  let signal: AbortSignal | undefined
  const result = withTimeout(
    async (given) => {
      signal = given
      await clock.sleep(500)
      throw new Error('late failure')
    },
    { timeoutMs: 100, onTimeout: late, clock },
  )
  const rejected = expect(result).rejects.toThrow('too late')
  await clock.advance(100)
  await rejected
  expect(signal?.reason).toMatchObject({ message: 'too late' })
  await clock.advance(500)
})

test('the caller’s abort wins with its own reason, before and during', async () => {
  const clock = createFakeClock()
  const controller = new AbortController()
  const options = { timeoutMs: 100, onTimeout: late, clock, signal: controller.signal }
  const result = withTimeout(() => clock.sleep(1_000), options)
  controller.abort(new Error('never mind'))
  await expect(result).rejects.toThrow('never mind')
  let begun = false
  const refused = withTimeout(async () => {
    begun = true
  }, options)
  await expect(refused).rejects.toThrow('never mind')
  expect(begun).toBe(false)
})

test('an operation that throws at once is a rejection', async () => {
  const clock = createFakeClock()
  const result = withTimeout(
    () => {
      throw new Error('at once')
    },
    { timeoutMs: 100, onTimeout: late, clock },
  )
  await expect(result).rejects.toThrow('at once')
  expect(clock.sleepers).toBe(0)
})
