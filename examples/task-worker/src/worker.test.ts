import { createFakeClock } from '@holdfast/core/testing'
import { openMemoryQueue } from '@holdfast/queue/testing'
import { expect, test } from 'vitest'
import { startWorker, submitTasks, type Task } from './worker.ts'

test('urgent tasks go first, groups in order, and a poison task ends in the dead letter', async () => {
  const clock = createFakeClock()
  const backoff = { minMs: 100, jitter: 'none' } as const
  const queue = await openMemoryQueue<Task>({ clock, maxAttempts: 3, backoff })
  await submitTasks(queue)
  const done: string[] = []
  const worker = startWorker({
    ...{ queue, clock, log: () => undefined },
    perform: async ({ kind, text }) => {
      if (kind === 'report') throw new Error('no data')
      done.push(text)
    },
  })
  await clock.advance(499)
  expect(done[0]).toBe('a password reset: goes first')
  expect(done.filter((text) => text.startsWith('invoice'))).toEqual(
    [1, 2, 3].map((n) => `invoice ${n} of bob`),
  )
  expect(done).not.toContain('a reminder: half a second later')
  await clock.advance(1)
  await queue.whenEmpty()
  expect(done.at(-1)).toBe('a reminder: half a second later')
  expect(await queue.peek({ lane: 'dead' })).toMatchObject([{ attempts: 3, error: 'Error: no data' }])
  await worker.close()
  await queue.close()
  expect(clock.sleepers).toBe(0)
})
