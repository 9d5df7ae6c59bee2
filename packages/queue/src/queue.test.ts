import { isHoldfastError } from '@holdfast/core'
import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { bytesCodec } from './codec.ts'
import { pageKey, readyLaneOf } from './format/keys.ts'
import { createMemoryDisk, type MemoryQueueOptions, openMemoryQueue } from './testing/index.ts'
import type { Job, Queue } from './types.ts'

const year = 365 * 24 * 3_600_000

function setup<T = unknown>(options: MemoryQueueOptions<T> = {}) {
  const clock = createFakeClock()
  const disk = createMemoryDisk()
  const open = (more: MemoryQueueOptions<T> = {}): Promise<Queue<T>> =>
    openMemoryQueue<T>({ clock, disk, random: () => 1, ...options, ...more })
  return { clock, disk, open }
}

async function takeAll<T>(queue: Queue<T>): Promise<T[]> {
  const values: T[] = []
  for (let jobs = await queue.take({ max: 64 }); jobs.length > 0; jobs = await queue.take({ max: 64 })) {
    for (const job of jobs) values.push(job.value)
    await Promise.all(jobs.map((job) => job.ack()))
  }
  return values
}

async function takeOne<T>(queue: Queue<T>): Promise<Job<T>> {
  const [job] = await queue.take()
  if (!job) throw new Error('nothing to take')
  return job
}

test('delivers in order, once acknowledged never again, across a restart', async () => {
  const { open } = setup<number>()
  const first = await open()
  await Promise.all([1, 2, 3, 4].map((value) => first.enqueue(value)))
  const jobs = await first.take({ max: 2 })
  expect(jobs.map(({ value }) => value)).toEqual([1, 2])
  expect(await jobs[1]!.ack()).toBe(true)
  await first.close()
  const second = await open()
  expect(second.size).toMatchObject({ ready: 3, inFlight: 0 })
  expect(await takeAll(second)).toEqual([1, 3, 4])
  expect(second.size).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: 0, bytes: 0 })
})

test('ids are never issued twice: not after draining, not by a copy', async () => {
  const { open, disk } = setup()
  const ids: string[] = []
  const add = async (queue: Queue<unknown>): Promise<void> => {
    for (let n = 0; n < 3; n++) ids.push((await queue.enqueue(n)).id)
    await takeAll(queue)
    ids.push((await queue.enqueue('delayed', { delayMs: 5 })).id)
    await queue.close()
  }
  const queue = await open()
  const copy = await disk.copy()
  await add(queue)
  await add(await open())
  await add(await openMemoryQueue({ disk: copy }))
  expect(new Set(ids).size).toBe(ids.length)
})

test('sequence goes on after a drained queue is opened again', async () => {
  const { open } = setup()
  const first = await open()
  const before = await first.enqueue('a')
  await takeAll(first)
  await first.close()
  const second = await open()
  const after = await second.enqueue('b')
  expect(before.id.split('-').at(-1)).toBe('0')
  expect(after.id.split('-').at(-1)).toBe('1')
})

test('what is not settled within its visibility timeout is delivered again', async () => {
  const { clock, open } = setup({ visibilityTimeoutMs: 1_000 })
  const queue = await open()
  const timedOut: unknown[] = []
  queue.on('timedOut', (message) => timedOut.push(message))
  const { id } = await queue.enqueue('slow')
  const first = await takeOne(queue)
  await clock.advance(999)
  expect(await queue.take()).toEqual([])
  const waiting = queue.take({ waitMs: 10 })
  await clock.advance(1)
  const [second] = await waiting
  expect(second).toMatchObject({ id, attempt: 2 })
  expect(timedOut).toEqual([{ id, attempt: 1 }])
  expect(await first.ack()).toBe(false)
  expect(await first.extend(10)).toBe(false)
  expect(await first.setCheckpoint(1)).toBe(false)
  expect(await second!.ack()).toBe(true)
})

test('extend moves the timeout, from now', async () => {
  const { clock, open } = setup({ visibilityTimeoutMs: 1_000 })
  const queue = await open()
  await queue.enqueue('slow')
  const job = await takeOne(queue)
  await clock.advance(900)
  expect(await job.extend(1_000)).toBe(true)
  await clock.advance(999)
  expect(queue.size.inFlight).toBe(1)
  await clock.advance(1)
  expect(queue.size.inFlight).toBe(0)
  expect(await job.ack()).toBe(false)
})

test('an ack that is being written wins over the timeout', async () => {
  const { clock, open } = setup({ visibilityTimeoutMs: 1_000 })
  const queue = await open()
  await queue.enqueue('close call')
  const job = await takeOne(queue)
  clock.stall(1_000)
  const acked = job.ack()
  await clock.advance(10)
  expect(await acked).toBe(true)
  expect(await queue.take()).toEqual([])
})

test('retries wait for their backoff, and then go to the dead letter with the last error', async () => {
  const { clock, open } = setup({ maxAttempts: 3, backoff: { minMs: 100, factor: 2, jitter: 'none' } })
  const queue = await open()
  const { id } = await queue.enqueue({ n: 1 })
  await (await takeOne(queue)).retry({ error: new Error('first') })
  expect(queue.size).toMatchObject({ ready: 0, delayed: 1 })
  await clock.advance(99)
  expect(await queue.take()).toEqual([])
  await clock.advance(1)
  await (await takeOne(queue)).retry({ error: 'second' })
  await clock.advance(200)
  const third = await takeOne(queue)
  expect(third.attempt).toBe(3)
  await third.retry({ error: new RangeError('third') })
  expect(queue.size).toMatchObject({ ready: 0, delayed: 0, dead: 1, bytes: 0 })
  expect(await queue.peek({ lane: 'dead' })).toEqual([
    { id, lane: 'dead', value: { n: 1 }, attempts: 3, priority: 0, error: 'RangeError: third' },
  ])
})

test('the attempts and the backoff of a retry survive a crash', async () => {
  const { clock, disk, open } = setup({ backoff: { minMs: 1_000, jitter: 'none' } })
  const queue = await open()
  await queue.enqueue('a')
  await (await takeOne(queue)).retry({ error: 'no' })
  const reopened = await openMemoryQueue({ clock, disk: await disk.copy() })
  expect(reopened.recovery.unclean).toBe(true)
  expect(await reopened.take()).toEqual([])
  const waiting = reopened.take({ waitMs: 2_000 })
  await clock.advance(1_000)
  expect(await waiting).toMatchObject([{ value: 'a', attempt: 2 }])
})

test('a message that kills its consumer reaches the dead letter, even on an idle queue', async () => {
  const { clock, disk, open } = setup()
  await (await open()).enqueue('poison')
  let left = await disk.copy()
  const attempts: number[] = []
  for (let crash = 0; crash < 10; crash++) {
    const queue = await openMemoryQueue({ clock, disk: left, maxAttempts: 3 })
    for (const job of await queue.take()) attempts.push(job.attempt)
    left = await left.copy()
  }
  const queue = await openMemoryQueue({ clock, disk: left, maxAttempts: 3 })
  await queue.take()
  expect(attempts).toEqual([1, 2, 3])
  await expect.poll(() => queue.size.dead).toBe(1)
})

test('a release counts no attempt and keeps the order, as often as it comes, across restarts and crashes', async () => {
  const { clock, disk, open } = setup<number>({ maxAttempts: 3 })
  let queue = await open()
  await queue.enqueueMany([1, 2, 3, 4])
  for (let round = 0; round < 10; round++) {
    const jobs = await queue.take({ max: 3 })
    expect(jobs.map(({ value, attempt }) => [value, attempt])).toEqual([1, 2, 3].map((value) => [value, 1]))
    const backwards = round % 2 === 0 ? jobs : [...jobs].reverse()
    expect(await Promise.all(backwards.map((job) => job.release()))).toEqual([true, true, true])
    expect(queue.size).toMatchObject({ ready: 4, inFlight: 0 })
    if (round % 3 !== 2) continue
    await queue.close()
    queue = await open()
  }
  expect((await queue.peek()).map(({ attempts }) => attempts)).toEqual([0, 0, 0, 0])
  expect(queue.stats()).toMatchObject({ queue_released_messages_total: { value: 3 } })
  const crashed = await openMemoryQueue<number>({ clock, disk: await disk.copy(), maxAttempts: 3 })
  expect(crashed.recovery.unclean).toBe(true)
  expect((await crashed.take({ max: 9 })).map(({ value, attempt }) => [value, attempt])).toEqual(
    [1, 2, 3, 4].map((value) => [value, 1]),
  )
  expect(await takeAll(queue)).toEqual([1, 2, 3, 4])
})

test('a release takes back its own attempt only, of delayed and retried messages too', async () => {
  const { clock, open } = setup({ maxAttempts: 2 })
  let queue = await open()
  await queue.enqueue('retried')
  await (await takeOne(queue)).retry({ delayMs: 10, error: 'once' })
  await queue.enqueue('delayed', { delayMs: 10 })
  await clock.advance(10)
  for (let round = 0; round < 9; round++) {
    const jobs = await queue.take({ max: 2 })
    const attempts = Object.fromEntries(jobs.map(({ value, attempt }) => [value, attempt]))
    expect(attempts).toEqual({ retried: 2, delayed: 1 })
    await Promise.all(jobs.map((job) => job.release()))
    const delayed = await queue.peek({ lane: 'delayed' })
    expect(delayed.map((stored) => stored.attempts).sort()).toEqual([0, 1])
    await queue.close()
    queue = await open()
    await queue.take({ waitMs: 0 }).then((first) => Promise.all(first.map((job) => job.release())))
  }
  expect(queue.size.dead).toBe(0)
})

test('what waits on disk to go out again is not overtaken by what was enqueued after opening', async () => {
  const { clock, open } = setup<string>()
  const first = await open()
  await first.enqueue('due', { delayMs: 10 })
  await first.enqueue('failed')
  await (await takeOne(first)).retry({ delayMs: 10 })
  await first.close()
  await clock.advance(10)
  const queue = await open()
  await queue.enqueue('new')
  const taken = (await queue.take({ max: 9 })).map(({ value }) => value)
  expect(taken.slice(0, 2).sort()).toEqual(['due', 'failed'])
  expect([...taken, ...(await takeAll(queue))]).toHaveLength(3)
})

test('what is released goes out as it would have, delayed ones by their time and before the others', async () => {
  const { clock, open } = setup<string>()
  const queue = await open()
  await queue.enqueueMany(['ready 1', 'ready 2'])
  await queue.enqueue('due later', { delayMs: 20 })
  await queue.enqueue('due sooner', { delayMs: 10 })
  await clock.advance(20)
  const order = ['due sooner', 'due later', 'ready 1', 'ready 2']
  for (const place of [3, 0, 2, 1, 0]) {
    const jobs = await queue.take({ max: 4 })
    expect(jobs.map(({ value }) => value)).toEqual(order)
    const turned = [...jobs.slice(place), ...jobs.slice(0, place)]
    await Promise.all(turned.map((job) => job.release()))
  }
  const [, , first, second] = await queue.take({ max: 4 })
  await first!.retry({ delayMs: 0 })
  await second!.release()
  expect((await queue.take({ max: 4 })).map(({ value }) => value)).toEqual(['ready 2', 'ready 1'])
})

test('a release keeps the order of its group', async () => {
  const { open } = setup<string>({ maxAttempts: 2 })
  let queue = await open()
  for (const value of ['a1', 'a2', 'b1']) await queue.enqueue(value, { group: value[0]! })
  for (let round = 0; round < 4; round++) {
    const jobs = await queue.take({ max: 3 })
    expect(jobs.map(({ value, attempt }) => [value, attempt])).toEqual([
      ['a1', 1],
      ['b1', 1],
    ])
    await Promise.all(jobs.map((job) => job.release()))
    if (round === 2) await queue.close()
    if (round === 2) queue = await open()
  }
  expect(await takeAll(queue)).toEqual(['a1', 'b1', 'a2'])
})

test('a job that is not ours cannot be released, and what was released at a close is', async () => {
  const { clock, open } = setup<string>({ visibilityTimeoutMs: 1_000 })
  const queue = await open()
  await queue.enqueueMany(['a', 'b'])
  const stale = await takeOne(queue)
  await clock.advance(1_000)
  expect(await stale.release()).toBe(false)
  const [a, b] = await queue.take({ max: 2 })
  expect(b).toMatchObject({ value: 'b', attempt: 1 })
  const releasing = b!.release()
  const closed = queue.close()
  expect(await a!.release()).toBe(false)
  expect(await releasing).toBe(true)
  await closed
  expect(await b!.release()).toBe(false)
  const jobs = await (await open()).take({ max: 2 })
  expect(jobs.map(({ value, attempt }) => [value, attempt])).toEqual([
    ['a', 3],
    ['b', 1],
  ])
})

test('a checkpoint outlives the release of the first attempt, and a restart', async () => {
  const { disk, open } = setup<string>()
  const queue = await open()
  await queue.enqueue('page')
  const job = await takeOne(queue)
  await job.setCheckpoint({ offset: 10 })
  await job.release()
  const again = await takeOne(queue)
  expect(again).toMatchObject({ attempt: 1, checkpoint: { offset: 10 } })
  await again.release()
  await queue.close()
  const last = await takeOne(await open())
  expect(last).toMatchObject({ attempt: 1, checkpoint: { offset: 10 } })
  await last.ack()
  expect((await disk.level.keys().all()).filter((key) => key[2] === 0x70)).toEqual([])
})

test('jobs that a close caught on their way to a taker count no attempt', async () => {
  const { open } = setup({ maxAttempts: 2 })
  let queue = await open()
  await queue.enqueue('held')
  for (let round = 0; round < 5; round++) {
    await (await takeOne(queue)).release()
    const parked = round % 2 === 0 ? queue.take() : queue.take({ waitMs: 10 })
    const taken = parked.catch((error: { code: string }) => error.code)
    await queue.close()
    expect(await taken).toBe('QUEUE_CLOSED')
    queue = await open()
  }
  expect(await takeOne(queue)).toMatchObject({ value: 'held', attempt: 1 })
})

test('requeue and discard pick among the dead', async () => {
  const { open } = setup<string>()
  const queue = await open()
  for (const value of ['a', 'b', 'c']) await queue.enqueue(value)
  const ids = (await queue.take({ max: 3 })).map((job) => ({ id: job.id, buried: job.bury('bad') }))
  await Promise.all(ids.map(({ buried }) => buried))
  expect(await queue.requeue({ ids: [ids[1]!.id] })).toBe(1)
  expect(await takeOne(queue)).toMatchObject({ id: ids[1]!.id, value: 'b', attempt: 1 })
  expect(await queue.discard({ limit: 1 })).toBe(1)
  expect((await queue.peek({ lane: 'dead' })).map(({ value }) => value)).toEqual(['c'])
  expect(queue.size.dead).toBe(1)
})

test('a key is accepted once within its window, for 1,000 callers at once, and after a restart', async () => {
  const { clock, open } = setup({ dedupeWindowMs: 1_000 })
  const queue = await open()
  const calls = await Promise.all(Array.from({ length: 1_000 }, (_, n) => queue.enqueue(n, { key: 'k' })))
  expect(calls.filter(({ duplicate }) => !duplicate)).toHaveLength(1)
  expect(new Set(calls.map(({ id }) => id)).size).toBe(1)
  expect(await takeAll(queue)).toEqual([0])
  await queue.close()
  const again = await open()
  expect(await again.enqueue('again', { key: 'k' })).toEqual({ id: calls[0]!.id, duplicate: true })
  await clock.advance(1_000)
  expect((await again.enqueue('later', { key: 'k' })).duplicate).toBe(false)
  expect(again.size.ready).toBe(1)
})

test('expired keys are deleted from the disk', async () => {
  const { clock, disk, open } = setup({ dedupeWindowMs: 1_000 })
  const queue = await open()
  await Promise.all(Array.from({ length: 20 }, (_, n) => queue.enqueue(n, { key: `k${n}` })))
  await takeAll(queue)
  const before = (await disk.level.keys().all()).length
  await clock.advance(61_000)
  await queue.enqueue('flush')
  expect((await disk.level.keys().all()).length).toBeLessThan(before - 30)
})

test('higher priorities go first, in order within each', async () => {
  const { open } = setup<string>()
  const queue = await open()
  await queue.enqueue('low 1')
  await queue.enqueue('high 1', { priority: 9 })
  await queue.enqueue('mid', { priority: 4 })
  await queue.enqueue('high 2', { priority: 9 })
  await queue.enqueue('low 2')
  await queue.close()
  expect(await takeAll(await open())).toEqual(['high 1', 'high 2', 'mid', 'low 1', 'low 2'])
})

test('a delayed message is delivered at its time, whatever the wall clock does', async () => {
  const { clock, open } = setup<string>()
  const queue = await open()
  await queue.enqueue('later', { delayMs: 1_000 })
  await queue.enqueue('sooner', { delayMs: 500 })
  clock.setWall(clock.wall() + year)
  expect(await queue.take()).toEqual([])
  clock.setWall(clock.wall() - 2 * year)
  await queue.enqueue('soonest', { delayMs: 100 })
  await clock.advance(100)
  expect((await takeOne(queue)).value).toBe('soonest')
  await queue.close()
  const reopened = await open()
  expect((await takeOne(reopened)).value).toBe('soonest')
  const waiting = reopened.take({ waitMs: Number.POSITIVE_INFINITY })
  await clock.advance(399)
  expect(reopened.size.delayed).toBe(2)
  await clock.advance(1)
  expect(await waiting).toMatchObject([{ value: 'sooner' }])
  await clock.advance(500)
  expect((await takeOne(reopened)).value).toBe('later')
})

test('many delayed messages are read in the order of their time', async () => {
  const { clock, disk, open } = setup<number>()
  const queue = await open()
  const delays = Array.from({ length: 1_500 }, (_, n) => ((n * 7_919) % 1_500) + 1)
  await Promise.all(delays.map((delayMs) => queue.enqueue(delayMs, { delayMs })))
  await clock.advance(2_000)
  const sorted = [...delays].sort((a, b) => a - b)
  const copied = await openMemoryQueue<number>({ clock, disk: await disk.copy() })
  expect(await takeAll(queue)).toEqual(sorted)
  expect(await takeAll(copied)).toEqual(sorted)
})

test('a group goes one at a time and in order, retries included', async () => {
  const { clock, open } = setup<string>({ backoff: { minMs: 100, jitter: 'none' } })
  const queue = await open()
  for (const value of ['a1', 'a2', 'b1', 'a3', 'b2']) await queue.enqueue(value, { group: value[0]! })
  await queue.enqueue('free')
  const taken = await queue.take({ max: 10 })
  expect(taken.map(({ value }) => value)).toEqual(['a1', 'b1', 'free'])
  await taken[1]!.ack()
  expect((await takeOne(queue)).value).toBe('b2')
  await taken[0]!.retry()
  expect(await queue.take()).toEqual([])
  await clock.advance(100)
  const again = await takeOne(queue)
  expect(again).toMatchObject({ value: 'a1', attempt: 2, group: 'a' })
  await again.bury()
  expect((await takeOne(queue)).value).toBe('a2')
  expect(await queue.take()).toEqual([])
})

test('a message that outlives its TTL is dropped, and told of', async () => {
  const { clock, open } = setup()
  const queue = await open()
  const expired: string[] = []
  queue.on('expired', (id) => expired.push(id))
  const { id } = await queue.enqueue('short', { ttlMs: 100 })
  await queue.enqueue('long')
  await clock.advance(100)
  expect((await takeOne(queue)).value).toBe('long')
  await expect.poll(() => expired).toEqual([id])
  expect(queue.size).toMatchObject({ ready: 0, inFlight: 1 })
})

test('a checkpoint comes with the next attempt, after a crash too, and goes with its message', async () => {
  const { clock, disk, open } = setup({ visibilityTimeoutMs: 1_000 })
  const queue = await open()
  await queue.enqueue('upload')
  const first = await takeOne(queue)
  expect(first.checkpoint).toBeUndefined()
  await first.setCheckpoint({ offset: 10 })
  await first.setCheckpoint({ offset: 20 })
  const crashed = await openMemoryQueue({ clock, disk: await disk.copy() })
  expect(await takeOne(crashed)).toMatchObject({ attempt: 2, checkpoint: { offset: 20 } })
  await clock.advance(1_000)
  const second = await takeOne(queue)
  expect(second.checkpoint).toEqual({ offset: 20 })
  await second.ack()
  expect((await disk.level.keys().all()).filter((key) => key[2] === 0x70)).toEqual([])
})

test('onFull reject refuses, with a code that says to try again', async () => {
  const { open } = setup({ limits: { messages: 2, onFull: 'reject' } })
  const queue = await open()
  await queue.enqueue(1)
  await queue.enqueue(2)
  const error: unknown = await queue.enqueue(3).catch((cause: unknown) => cause)
  expect(isHoldfastError(error, 'QUEUE_FULL') && error.retryable).toBe(true)
  await (await takeOne(queue)).ack()
  await queue.enqueue(4)
  expect(await takeAll(queue)).toEqual([2, 4])
})

test('onFull block waits for room, in order, until the signal aborts', async () => {
  const { open } = setup({ limits: { bytes: 2, onFull: 'block' } })
  const queue = await open()
  await queue.enqueue(1)
  await queue.enqueue(2)
  const impatient = new AbortController()
  const third = queue.enqueue(3, { signal: impatient.signal })
  const fourth = queue.enqueue(4)
  expect(queue.stats()).toMatchObject({ queue_blocked_producers: { value: 2 } })
  impatient.abort(new Error('enough'))
  await expect(third).rejects.toThrow('enough')
  await (await takeOne(queue)).ack()
  expect((await fourth).duplicate).toBe(false)
  await expect(queue.enqueue('too long')).rejects.toMatchObject({ code: 'QUEUE_FULL' })
})

test('onFull drop-oldest drops what is not in flight', async () => {
  const { open } = setup({ limits: { messages: 3, onFull: 'drop-oldest' } })
  const queue = await open()
  const dropped: string[] = []
  queue.on('dropped', (id) => dropped.push(id))
  await queue.enqueue('taken')
  const job = await takeOne(queue)
  const { id } = await queue.enqueue('oldest')
  await queue.enqueue('urgent', { priority: 1 })
  await queue.enqueue('newest')
  expect(dropped).toEqual([id])
  expect(await job.ack()).toBe(true)
  expect(await takeAll(queue)).toEqual(['urgent', 'newest'])
})

test('onFull drop-oldest drops those that wait for their group before newer ones, never one in flight', async () => {
  const { open } = setup<string>({ limits: { messages: 4, onFull: 'drop-oldest' } })
  const queue = await open()
  const ids: string[] = []
  const dropped: string[] = []
  queue.on('dropped', (id) => dropped.push(id))
  for (const value of ['a1', 'a2', 'b1', 'a3'])
    ids.push((await queue.enqueue(value, { group: value[0]! })).id)
  const jobs = await queue.take({ max: 9 })
  expect(jobs.map(({ value }) => value)).toEqual(['a1', 'b1'])
  await queue.enqueue('new 1')
  await queue.enqueue('new 2')
  expect(dropped).toEqual([ids[1], ids[3]])
  await Promise.all(jobs.map((job) => job.ack()))
  expect(await takeAll(queue)).toEqual(['new 1', 'new 2'])
  expect(queue.size).toMatchObject({ ready: 0, bytes: 0 })
})

test('a backlog over a lowered limit opens and drains', async () => {
  const { open } = setup()
  const queue = await open()
  await queue.enqueueMany([1, 2, 3])
  await queue.close()
  const lowered = await open({ limits: { messages: 1, onFull: 'reject' } })
  await expect(lowered.enqueue(4)).rejects.toMatchObject({ code: 'QUEUE_FULL' })
  expect(await takeAll(lowered)).toEqual([1, 2, 3])
  await lowered.enqueue(5)
})

test('payloads of any size come back as they were when they were given', async () => {
  const { open } = setup({ codec: bytesCodec, maxMessageBytes: 300_000 })
  const queue = await open()
  const sizes = [0, 1, 65_536 - 9, 65_536, 65_537, 300_000]
  const sent = sizes.map((size) => new Uint8Array(size).fill(size % 251))
  await Promise.all(
    sent.map((bytes) => {
      const stored = queue.enqueue(bytes)
      bytes.fill(255)
      return stored
    }),
  )
  await expect(queue.enqueue(new Uint8Array(300_001))).rejects.toMatchObject({ code: 'QUEUE_TOO_LARGE' })
  await queue.close()
  const jobs = await (await open()).take({ max: 10 })
  expect(jobs.map(({ value }) => value.length)).toEqual(sizes)
  for (const { value } of jobs) expect(value.every((byte) => byte === value.length % 251)).toBe(true)
})

test('a payload that is changed after the call is stored as it was, however it waits', async () => {
  const { clock, open } = setup({ codec: bytesCodec, limits: { messages: 4 } })
  const queue = await open()
  const bytes = Buffer.from('as given')
  const calls = [
    queue.enqueue(bytes, { delayMs: 1 }),
    queue.enqueueMany([bytes]),
    queue.enqueue(bytes, { key: 'k' }),
    queue.enqueue(bytes),
    queue.enqueue(bytes),
  ]
  bytes.fill('x')
  await Promise.all(calls.slice(0, 4))
  await clock.advance(1)
  const taken = await takeAll(queue)
  await calls[4]
  expect([...taken, ...(await takeAll(queue))].map(String)).toEqual(Array(5).fill('as given'))
})

test('a message behind one with a key keeps its place', async () => {
  const { open } = setup<string>()
  const queue = await open()
  const calls = [{ key: 'a' }, {}, { key: 'b' }, {}].map((options, n) => queue.enqueue(`${n}`, options))
  expect((await Promise.all(calls)).map(({ id }) => id.split('-').at(-1))).toEqual(['0', '1', '2', '3'])
  expect(await takeAll(queue)).toEqual(['0', '1', '2', '3'])
})

test('pages that are kept for a consumer are not written over by the next ones', async () => {
  const { open } = setup({ codec: bytesCodec })
  const queue = await open()
  const page = (n: number): Buffer[] => Array.from({ length: 200 }, () => Buffer.alloc(300, n))
  for (let n = 0; n < 6; n++) await queue.enqueueMany(page(n))
  const taken = await takeAll(queue)
  expect(taken.map(([first]) => first)).toEqual(Array.from({ length: 1_200 }, (_, n) => Math.floor(n / 200)))
})

test('named queues share a folder and stay apart, even where one name begins another', async () => {
  const { disk, open } = setup<string>()
  const [a, ab] = [await open({ name: 'a' }), await open({ name: 'ab' })]
  await a.enqueue('of a')
  await ab.enqueue('of ab')
  await expect(open({ name: 'a' })).rejects.toMatchObject({ code: 'QUEUE_LOCKED' })
  await a.close()
  await ab.enqueue('still open')
  await ab.close()
  expect(disk.hub).toBeUndefined()
  expect(await takeAll(await open({ name: 'ab' }))).toEqual(['of ab', 'still open'])
  expect(await takeAll(await open({ name: 'a' }))).toEqual(['of a'])
})

test('what a producer of one queue does when it gets room leaves what the same commit stored for another', async () => {
  const { open } = setup<number>({ durability: 'os' })
  const narrow = await open({ name: 'narrow', limits: { messages: 1 } })
  const wide = await open({ name: 'wide' })
  await narrow.enqueue(0)
  const inOneCommit = [(await takeOne(narrow)).ack(), wide.enqueue(0)]
  const blocked = narrow.enqueue(1)
  await new Promise<void>((resolve) => process.nextTick(resolve))
  const next = Array.from({ length: 600 }, (_, n) => wide.enqueue(n + 1))
  const accepted = await Promise.all([...inOneCommit, blocked, ...next])
  expect(new Set(accepted.map((one) => (one === true ? one : (one as { id: string }).id))).size).toBe(603)
  expect(await takeAll(wide)).toEqual(Array.from({ length: 601 }, (_, n) => n))
})

test.each(['os', 'fsync'] as const)(
  'a thousand callers, a taker beside them: each gets its own id, each message goes out once and in order (%s)',
  async (durability) => {
    const { open } = setup<string>({ durability })
    const queue = await open()
    const [values, ids] = [new Map<string, string>(), [] as string[]]
    const produce = async (caller: number): Promise<void> => {
      for (let n = 0; n < 4; n++) {
        const value = `${caller}.${n}`
        values.set((await queue.enqueue(value, { priority: caller % 2 })).id, value)
      }
    }
    const consume = async (): Promise<void> => {
      for (let acked: Promise<unknown> = Promise.resolve(); ids.length < 4_000; ) {
        const jobs = await queue.take({ max: 100, waitMs: Number.POSITIVE_INFINITY })
        const former = acked
        acked = Promise.all(jobs.map((job) => job.ack()))
        await former
        for (const { id, value } of jobs) expect(values.get(id) ?? value).toBe(value)
        ids.push(...jobs.map(({ id }) => id))
        if (ids.length === 4_000) expect(await acked).toEqual(jobs.map(() => true))
      }
    }
    await Promise.all([consume(), ...Array.from({ length: 1_000 }, (_, caller) => produce(caller))])
    expect(new Set(ids)).toEqual(new Set(values.keys()))
    for (const lane of new Set(ids.map(laneIn))) {
      const numbers = ids.filter((id) => laneIn(id) === lane).map(numberIn)
      expect(numbers).toEqual(Array.from({ length: 2_000 }, (_, n) => n))
    }
    expect(queue.size).toMatchObject({ ready: 0, inFlight: 0, bytes: 0 })
  },
)

function laneIn(id: string): string {
  return id.split('-')[1]!
}

function numberIn(id: string): number {
  return Number.parseInt(id.split('-')[2]!, 36)
}

test('one straggler does not hold up the deletion of what is behind it', async () => {
  const { disk, open } = setup<number>({ visibilityTimeoutMs: 1e9 })
  const queue = await open()
  await queue.enqueue(-1)
  const straggler = await takeOne(queue)
  for (let n = 0; n < 400; n++) await queue.enqueue(n)
  expect(await takeAll(queue)).toHaveLength(400)
  expect((await disk.level.keys().all()).length).toBeLessThan(400)
  expect((await queue.verify()).messages).toBe(1)
  const crashed = await openMemoryQueue({ disk: await disk.copy() })
  expect(await takeOne(crashed)).toMatchObject({ id: straggler.id, value: -1, attempt: 2 })
  expect(await straggler.ack()).toBe(true)
  expect(await queue.take()).toEqual([])
  expect((await queue.verify()).messages).toBe(0)
})

test('whenEmpty waits for all that is held', async () => {
  const { open } = setup()
  const queue = await open()
  await queue.whenEmpty()
  await queue.enqueue(1)
  let isEmpty = false
  const emptied = queue.whenEmpty().then(() => {
    isEmpty = true
  })
  const job = await takeOne(queue)
  expect(isEmpty).toBe(false)
  await job.ack()
  await emptied
  const { signal } =
    AbortSignal.abort === undefined ? new AbortController() : { signal: AbortSignal.abort(new Error('no')) }
  await expect(queue.whenEmpty({ signal })).rejects.toThrow('no')
})

test('drain refuses what is new and waits for what is in flight', async () => {
  const { clock, open } = setup()
  const queue = await open()
  await queue.enqueueMany([1, 2])
  const job = await takeOne(queue)
  const parked = queue.take({ max: 1, waitMs: Number.POSITIVE_INFINITY }).then((jobs) => jobs.length)
  expect(await parked).toBe(1)
  let isDrained = false
  const drained = queue.drain().then(() => {
    isDrained = true
  })
  await expect(queue.enqueue(3)).rejects.toMatchObject({ code: 'QUEUE_DRAINING' })
  expect(await queue.take()).toEqual([])
  const waited = queue.take({ waitMs: 10 })
  await clock.advance(10)
  expect(await waited).toEqual([])
  await job.ack()
  expect(isDrained).toBe(false)
  await expect(queue.drain({ signal: AbortSignal.abort(new Error('late')) })).rejects.toThrow('late')
  await queue.close()
  await expect(drained).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
})

test('who takes in a loop waits while it drains, and ends with the close', async () => {
  const { clock, open } = setup()
  const queue = await open()
  await queue.enqueueMany([1, 2])
  const answers: number[] = []
  const loop = (async () => {
    while (answers.length < 100) answers.push((await queue.take({ waitMs: Number.POSITIVE_INFINITY })).length)
    throw new Error('it spins')
  })()
  const ended = expect(loop).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
  await clock.advance(1)
  const waiting = queue.take({ waitMs: Number.POSITIVE_INFINITY })
  const refused = expect(waiting).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
  const drained = expect(queue.drain()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
  await clock.advance(1)
  expect(answers).toEqual([1, 1])
  await queue.close()
  await Promise.all([ended, refused, drained])
  await expect(queue.take()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
})

test('close settles everything and leaves no timer', async () => {
  const { clock, open } = setup({ limits: { messages: 2 } })
  const queue = await open()
  await queue.enqueue('held')
  const job = await takeOne(queue)
  const accepted = queue.enqueue('in the pipe')
  const blocked = queue.enqueue('blocked')
  const parked = queue.take({ waitMs: 1_000 }).catch((error: { code: string }) => error.code)
  const ends = [queue.close(), queue.close()]
  expect((await accepted).duplicate).toBe(false)
  await expect(blocked).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
  await Promise.all(ends)
  expect(['QUEUE_CLOSED', 1]).toContain(
    await parked.then((result) => (typeof result === 'string' ? result : result.length)),
  )
  expect(await job.ack()).toBe(false)
  await expect(queue.enqueue(1)).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
  await expect(queue.take()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
  await expect(queue.requeue()).rejects.toMatchObject({ code: 'QUEUE_CLOSED' })
  expect(clock.sleepers).toBe(0)
  const reopened = await open()
  expect(reopened.recovery.unclean).toBe(false)
  expect(await takeAll(reopened)).toEqual(['held', 'in the pipe'])
})

test('takes that wait are served in order, and given up on their time or signal', async () => {
  const { clock, open } = setup<number>()
  const queue = await open()
  const stop = new AbortController()
  const first = queue.take({ waitMs: 100 })
  const second = queue.take({ waitMs: 1_000, signal: stop.signal })
  const third = queue.take({ waitMs: 1_000 })
  await clock.advance(100)
  expect(await first).toEqual([])
  stop.abort()
  expect(await second).toEqual([])
  await queue.enqueue(7)
  expect(await third).toMatchObject([{ value: 7 }])
  await queue.close()
  expect(clock.sleepers).toBe(0)
})

test('what does not decode goes to the dead letter', async () => {
  const { open } = setup()
  const queue = await open({
    codec: {
      encode: (value) => Buffer.from(String(value)),
      decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()),
    },
  })
  await queue.enqueue('{not json')
  expect(await queue.take()).toEqual([])
  await expect.poll(() => queue.size.dead).toBe(1)
})

test('bad options are refused at once, by name', async () => {
  const { open } = setup()
  await expect(open({ maxAttempts: 0 })).rejects.toThrow(/maxAttempts/)
  await expect(open({ limits: { onFull: 'explode' as 'block' } })).rejects.toThrow(/limits\.onFull/)
  const queue = await open()
  await expect(queue.enqueue(1, { priority: 10 })).rejects.toThrow(/priority/)
  await expect(queue.enqueue(1, { group: 'g', delayMs: 1 })).rejects.toThrow(/delayMs/)
  await expect(queue.enqueue(undefined)).rejects.toThrow(TypeError)
  await expect(queue.enqueueMany([1], { key: 'k' } as object)).rejects.toThrow(/key/)
  await expect(queue.take({ max: 0 })).rejects.toThrow(/max/)
  await expect(queue.peek({ lane: 'nowhere' as 'dead' })).rejects.toThrow(/lane/)
})

test('a page that is missing is told of as a range: at the front, in the middle, at the end', async () => {
  const { clock, disk, open } = setup<number>()
  const queue = await open()
  await queue.enqueueMany(Array.from({ length: 1_280 }, (_, n) => n))
  for (const job of await queue.take({ max: 256 })) await job.ack()
  for (const [page, range] of [
    [1, [256, 511]],
    [2, [512, 767]],
    [4, [1_024, 1_279]],
  ] as const) {
    const damaged = await disk.copy()
    await damaged.level.del(pageKey(1, readyLaneOf(0), page * 256, 0))
    const reopened = await openMemoryQueue<number>({ clock, disk: damaged })
    const losses: unknown[] = []
    reopened.on('lost', ({ from, to, messages }) => losses.push([from, to, messages]))
    expect(await takeAll(reopened)).toHaveLength(768)
    expect(losses).toEqual([[...range, 256]])
    expect(reopened.size).toMatchObject({ ready: 0, inFlight: 0 })
  }
})

test('a drained queue leaves nothing of its messages on the disk', async () => {
  const { clock, disk, open } = setup<number>({ visibilityTimeoutMs: 1e9 })
  const queue = await open()
  await queue.enqueueMany(Array.from({ length: 600 }, (_, n) => n))
  const jobs = [...(await queue.take({ max: 400 })), ...(await queue.take({ max: 400 }))]
  for (const job of jobs.reverse()) await (job.value % 50 === 0 ? job.retry({ delayMs: 10 }) : job.ack())
  await clock.advance(10)
  expect(await takeAll(queue)).toHaveLength(12)
  const lanes = (await disk.level.keys().all()).map((key) => key[2])
  expect(lanes).toEqual([0x00])
})
