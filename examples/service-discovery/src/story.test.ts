import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
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
  // The servers are real, the time is not: it moves on when they have had the turns to answer.
  while (!outcome) {
    await Promise.race([telling, clock.advance(10)])
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
