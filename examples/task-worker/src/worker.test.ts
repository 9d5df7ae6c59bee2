import { createFakeClock } from '@holdfast/core/testing'
import { openMemoryQueue } from '@holdfast/queue/testing'
import { expect, test } from 'vitest'
import { requeueDead, startWorker, submitTasks, type Task } from './worker.ts'

test('urgent tasks go first, groups in order, and a poison task ends in the dead letter until it is requeued', async () => {
  const clock = createFakeClock()
  const backoff = { minMs: 100, jitter: 'none' } as const
  const queue = await openMemoryQueue<Task>({ clock, maxAttempts: 3, backoff })
  const lines: string[] = []
  const log = (line: string): void => void lines.push(line)
  await submitTasks(queue, log)
  expect(lines.filter((line) => line.startsWith('known'))).toHaveLength(1)
  const done: string[] = []
  let isBroken = true
  const worker = startWorker({
    ...{ queue, clock, log },
    perform: async ({ kind, text }) => {
      if (kind === 'report' && isBroken) throw new Error('no data')
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
  isBroken = false
  await requeueDead(queue, log)
  await queue.whenEmpty()
  expect(lines.slice(-3)).toEqual([
    'dead      the report that fails each time: Error: no data',
    'requeued  1',
    'done      the report that fails each time',
  ])
  expect(queue.size.dead).toBe(0)
  await worker.close()
  await queue.close()
  expect(clock.sleepers).toBe(0)
})
