import { expect, test } from 'vitest'
import { eventLoopCheck, eventLoopDelay } from './event-loop.ts'

test('the platform sees a block that begins right after a reading, and forgets it two readings later', async () => {
  const source = eventLoopDelay()
  await turns(30)
  source.read()
  block(500)
  await turns(30)
  const seen = source.read()
  expect(seen).toBeGreaterThan(100)
  await turns(30)
  source.read()
  expect(source.read()).toBeLessThan(seen)
  source.close()
})

test('a loop that does nothing but block is seen at every reading', async () => {
  const source = eventLoopDelay()
  await turns(30)
  const readings: number[] = []
  for (let reading = 0; reading < 4; reading += 1) {
    readings.push(source.read())
    block(60)
    await turns(2)
  }
  source.close()
  expect(Math.min(...readings.slice(1))).toBeGreaterThan(30)
})

test('its check passes up to the limit, tells the lag, and looks at this process alone', async () => {
  let lagMs = 20
  const check = eventLoopCheck({ maxLagMs: 20 }, { read: () => lagMs, close: () => {} })
  const run = (): Promise<unknown> => check.run(new AbortController().signal)
  expect(check).toMatchObject({ gates: ['live'], scope: 'process' })
  expect(await run()).toEqual({ value: 20, unit: 'ms' })
  lagMs = 20.5
  await expect(run()).rejects.toMatchObject({ code: 'CHECK_FAILED', fields: { lagMs: 20.5, maxLagMs: 20 } })
  expect(() => eventLoopCheck({ intervalMs: 99 }, { read: () => 0, close: () => {} })).toThrow(/intervalMs/)
  expect(() => eventLoopCheck({}, {} as never)).toThrow(/source/)
})

/** Lets timers of about a millisecond fire so many times. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setTimeout(resolve, 1))
}

function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}
