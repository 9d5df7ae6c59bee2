import { createFakeClock } from '@holdfast/core/testing'
import { expect, onTestFinished, test, vi } from 'vitest'
import { connectTo } from './connect.ts'
import { tellStory } from './story.ts'

test('every request is answered while one instance is killed and another drained', async () => {
  const clock = createFakeClock()
  const said: string[] = []
  let outcome: Awaited<ReturnType<typeof tellStory>> | undefined
  const telling = tellStory({
    connect: connectTo(clock),
    clock,
    ttlMs: 2_000,
    say: (line) => said.push(line),
  }).then((told) => {
    outcome = told
  })
  // The servers are real, the time is not: it stands still while one of them is asked.
  const asked = countRequests()
  while (!outcome) {
    if (asked() === 0) await Promise.race([telling, clock.advance(10)])
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(outcome.answered).toBe(80)
  expect(outcome.retries).toBeGreaterThan(0)
  expect(Object.values(outcome.served).every((served) => served > 0)).toBe(true)
  expect(said.filter((line) => /^ {2}[-~]/.test(line))).toEqual([
    '  - red is gone',
    '  ~ green is draining',
    '  - green is gone',
  ])
  const alone = said.slice(said.indexOf('new work goes to blue alone'))
  expect(alone).toContain('  hello from blue: 20 times')
})

/** How many requests wait for their answer. */
function countRequests(): () => number {
  const { fetch } = globalThis
  let waiting = 0
  const counted = vi.spyOn(globalThis, 'fetch').mockImplementation((...request) => {
    waiting += 1
    return fetch(...request).finally(() => {
      waiting -= 1
    })
  })
  onTestFinished(() => counted.mockRestore())
  return () => waiting
}
