import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { startConsumer } from './consumer.ts'
import { openMemoryQueue } from './testing/index.ts'

async function setup() {
  const clock = createFakeClock()
  const queue = await openMemoryQueue<number>({
    clock,
    visibilityTimeoutMs: 1_000,
    backoff: { minMs: 100, jitter: 'none' },
  })
  return { clock, queue }
}

test('acknowledges what the handler did, retries what it threw at, at most so many at once', async () => {
  const { clock, queue } = await setup()
  await queue.enqueueMany([0, 1, 2, 3, 4, 5])
  const failures: unknown[] = []
  const seen: [number, number][] = []
  let atWork = 0
  let most = 0
  const consumer = startConsumer(
    queue,
    async ({ value, attempt }) => {
      most = Math.max(most, ++atWork)
      seen.push([value, attempt])
      await clock.sleep(10)
      atWork--
      if (value === 3 && attempt === 1) throw new Error('once')
    },
    { concurrency: 2, clock },
  )
  consumer.on('failed', (error, { attempt }) => failures.push([String(error), attempt]))
  await clock.advance(300)
  await queue.whenEmpty()
  expect(most).toBe(2)
  expect(failures).toEqual([['Error: once', 1]])
  expect(seen).toHaveLength(7)
  expect(seen.filter(([value]) => value === 3)).toEqual([
    [3, 1],
    [3, 2],
  ])
  expect(consumer.stats()).toMatchObject({ consumer_handled_messages_total: { value: 6 } })
  await consumer.close()
  await consumer.exited
  await queue.close()
  expect(clock.sleepers).toBe(0)
})

test('a rate lets through so many per time', async () => {
  const { clock, queue } = await setup()
  await queue.enqueueMany(Array.from({ length: 50 }, (_, n) => n))
  const at: number[] = []
  const handler = async (): Promise<void> => void at.push(clock.now())
  const consumer = startConsumer(queue, handler, { concurrency: 8, rate: { max: 5, perMs: 1_000 }, clock })
  await clock.advance(3_000)
  expect(at.filter((time) => time === 0)).toHaveLength(5)
  expect(at.length).toBeGreaterThanOrEqual(19)
  expect(at.length).toBeLessThanOrEqual(20)
  await consumer.close()
  expect(queue.size.ready + at.length).toBe(50)
})

test('a slow handler keeps its job', async () => {
  const { clock, queue } = await setup()
  await queue.enqueue(1)
  let calls = 0
  const consumer = startConsumer(
    queue,
    async () => {
      calls++
      await clock.sleep(10_000)
    },
    { clock },
  )
  await clock.advance(10_500)
  await queue.whenEmpty()
  expect(calls).toBe(1)
  await consumer.close()
})

test('drain finishes what is in hand and takes no more; close aborts it and gives it back', async () => {
  const { clock, queue } = await setup()
  await queue.enqueueMany([1, 2, 3])
  const handled: number[] = []
  const first = startConsumer(
    queue,
    async ({ value }) => {
      await clock.sleep(100)
      handled.push(value)
    },
    { clock },
  )
  await clock.advance(10)
  const drained = first.drain()
  await clock.advance(200)
  await drained
  expect(handled).toEqual([1])
  await first.close()

  const second = startConsumer(
    queue,
    async (_, signal) => {
      await clock.sleep(1e6, signal)
      signal.throwIfAborted()
    },
    { clock },
  )
  await clock.advance(10)
  expect(queue.size.inFlight).toBe(1)
  await second.close()
  expect(queue.size).toMatchObject({ inFlight: 0, ready: 2 })
  await queue.close()
  expect(clock.sleepers).toBe(0)
})

test('what a stopping consumer took and gave to no handler counts no attempt', async () => {
  const { clock, queue } = await setup()
  await queue.enqueue(1)
  const handled: number[] = []
  const handler = async ({ value }: { value: number }): Promise<void> => void handled.push(value)
  for (const stop of ['close', 'drain', 'close'] as const) {
    const gate = new AbortController()
    const slow = {
      visibilityTimeoutMs: 1_000,
      take: async () => {
        const jobs = await queue.take()
        await clock.sleep(100, gate.signal)
        return jobs
      },
    }
    const consumer = startConsumer(slow, handler, { clock })
    await clock.advance(10)
    expect(queue.size.inFlight).toBe(1)
    const stopped = consumer[stop]()
    gate.abort()
    await stopped
    await consumer.close()
  }
  expect(handled).toEqual([])
  expect(await queue.take()).toMatchObject([{ value: 1, attempt: 1 }])
})

test('stands by while its queue drains, and ends when that is closed', async () => {
  const { clock, queue } = await setup()
  let takes = 0
  const take: typeof queue.take = (options) => {
    if (++takes > 100) throw new Error('it spins')
    return queue.take(options)
  }
  const { visibilityTimeoutMs } = queue
  const consumer = startConsumer({ visibilityTimeoutMs, take }, async () => undefined, { clock })
  await queue.enqueue(1)
  await clock.advance(1)
  await queue.drain()
  await clock.advance(1)
  expect(takes).toBeLessThan(4)
  await queue.close()
  await consumer.exited
})

test('ends by itself when the queue is closed', async () => {
  const { clock, queue } = await setup()
  const consumer = startConsumer(queue, async () => undefined, { clock })
  await clock.advance(1)
  await queue.close()
  await consumer.exited
  await consumer.close()
})
