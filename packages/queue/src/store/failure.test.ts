import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { MemoryLevel } from 'memory-level'
import { expect, test } from 'vitest'
import { openHub } from '../hub.ts'
import { copyOf } from '../testing/memory.ts'
import type { Queue } from '../types.ts'
import type { Database } from './database.ts'

// A disk that fails when it is told to: each write, and each attempt to open it again.

interface Disk {
  /** The next writes fail: before anything is stored, or after all is. */
  failure: 'lost' | 'landed' | undefined
  canReopen: boolean
  reopened: number
}

async function setup(): Promise<{ clock: FakeClock; disk: Disk; queue: Queue<number> }> {
  const clock = createFakeClock()
  const disk: Disk = { failure: undefined, canReopen: true, reopened: 0 }
  const level = new MemoryLevel<Buffer, Buffer>({ keyEncoding: 'buffer', valueEncoding: 'buffer' })
  const database = failingDatabase(level, disk)
  const medium = {
    open: async () => database,
    reopen: async () => {
      if (!disk.canReopen) throw new Error('still broken')
      disk.failure = undefined
      disk.reopened++
      return database
    },
    isLowOnSpace: () => false,
    regainSpace: async () => undefined,
    close: async () => undefined,
    recovery: { unclean: false, repaired: false, quarantined: [] },
  }
  const hub = await openHub({ medium, clock, random: () => 0, place: 'test', onEmpty: () => undefined })
  return { clock, disk, queue: await hub.openQueue<number>({ clock }) }
}

function failingDatabase(level: MemoryLevel<Buffer, Buffer>, disk: Disk): Database {
  return {
    get: (key) => level.get(key),
    getMany: (keys) => level.getMany(keys),
    iterator: (range) => level.iterator(range),
    close: async () => undefined,
    async write(operations) {
      const { failure } = disk
      if (failure !== 'lost') await level.batch(operations.map(copyOf))
      if (failure) throw new Error('IO error: broken')
    },
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code: unknown }).code
}

test('a write that failed is told of as its outcome was, and what was acknowledged meanwhile is written again', async () => {
  const { disk, queue } = await setup()
  const events: string[] = []
  queue.on('writeFailed', () => events.push('failed'))
  queue.on('resumed', () => events.push('resumed'))
  await queue.enqueueMany([1, 2])
  const jobs = await queue.take({ max: 2 })
  disk.failure = 'lost'
  const acked = jobs[0]!.ack()
  await expect(queue.enqueue(3)).rejects.toMatchObject({ code: 'QUEUE_WRITE_FAILED' })
  expect(await acked).toBe(true)
  disk.failure = 'landed'
  const landed = await queue.enqueue(4)
  expect(landed.duplicate).toBe(false)
  expect(events).toEqual(['failed', 'resumed', 'failed', 'resumed'])
  expect(disk.reopened).toBe(2)
  expect((await queue.peek()).map(({ value }) => value)).toEqual([2, 4])
  expect(queue.size).toMatchObject({ ready: 1, inFlight: 1 })
  expect(await jobs[1]!.ack()).toBe(true)
  expect((await queue.take({ max: 9 })).map(({ value }) => value)).toEqual([4])
  expect(await queue.verify()).toMatchObject({ losses: [] })
  await queue.close()
})

test('while a disk stays broken producers are told, and an acknowledgement waits for its end', async () => {
  const { clock, disk, queue } = await setup()
  await queue.enqueueMany([1, 2])
  const [job] = await queue.take()
  Object.assign(disk, { failure: 'lost', canReopen: false })
  let isAcked = false
  const acked = job!.ack().then(() => {
    isAcked = true
  })
  await expect(queue.enqueue(3)).rejects.toMatchObject({ code: 'QUEUE_WRITE_FAILED' })
  await clock.advance(60_000)
  expect(isAcked).toBe(false)
  disk.canReopen = true
  await clock.advance(60_000)
  await acked
  expect((await queue.enqueue(4)).duplicate).toBe(false)
  expect(queue.size.ready).toBe(2)
  await queue.close()
})

test('closing on a disk that stays broken settles everything', async () => {
  const { clock, disk, queue } = await setup()
  await queue.enqueueMany([1, 2])
  const jobs = await queue.take({ max: 2 })
  Object.assign(disk, { failure: 'lost', canReopen: false })
  const ends = [queue.enqueue(3), jobs[0]!.ack()].map((end) => end.catch(codeOf))
  await clock.advance(1_000)
  ends.push(queue.enqueue(4).catch(codeOf), jobs[1]!.setCheckpoint('half').catch(codeOf))
  await queue.close()
  expect(await Promise.all(ends)).toEqual(Array(4).fill('QUEUE_WRITE_FAILED'))
  expect(clock.sleepers).toBe(0)
})
