import type { WatchBatch } from '@holdfast/coordination'
import { expect, test } from 'vitest'
import { createWatchQueue } from './watch-queue.ts'

const batch = (revision: number, bytes = 0): WatchBatch => {
  const entry = {
    key: 'k',
    value: new Uint8Array(bytes),
    createRevision: 1,
    modRevision: revision,
    version: 1,
  }
  return { clusterId: '7', revision, events: [{ kind: 'put', entry }] }
}

function subject(maxBytes = 10_000) {
  let ends = 0
  const queue = createWatchQueue(maxBytes, () => {
    ends += 1
  })
  const read = async (): Promise<number | undefined> => {
    const { value } = await queue.batches.next()
    return (value as WatchBatch | undefined)?.revision
  }
  return { queue, read, ends: () => ends }
}

test('batches are read in their order, by a reader that waits and by one that is behind', async () => {
  const { queue, read } = subject()
  const early = [read(), read()]
  for (const revision of [1, 2, 3, 4]) queue.push(batch(revision))
  expect(await Promise.all(early)).toEqual([1, 2])
  expect(await read()).toBe(3)
  queue.push(batch(5))
  expect([await read(), await read()]).toEqual([4, 5])
})

test('what came before a failure is read before it, and the failure once', async () => {
  const { queue, read, ends } = subject()
  queue.push(batch(1))
  queue.fail(new Error('first'))
  queue.fail(new Error('second'))
  queue.push(batch(2))
  expect(await read()).toBe(1)
  await expect(read()).rejects.toThrow('first')
  expect([await read(), ends()]).toEqual([undefined, 1])
})

test('an end drops what was not read, and wakes who waits', async () => {
  const { queue, read, ends } = subject()
  const waiting = read()
  queue.end()
  expect(await waiting).toBe(undefined)
  queue.push(batch(1))
  queue.fail(new Error('late'))
  expect([await read(), ends()]).toEqual([undefined, 1])

  const other = subject()
  other.queue.push(batch(1))
  expect(await other.queue.batches.return?.()).toEqual({ done: true, value: undefined })
  expect([await other.read(), other.ends()]).toEqual([undefined, 1])
})

test('a reader too far behind loses its watch, not the events before; one large batch always fits', async () => {
  const { queue, read, ends } = subject(1_000)
  queue.push(batch(1, 5_000))
  expect(await read()).toBe(1)
  queue.push(batch(2, 600))
  queue.push(batch(3, 600))
  queue.push(batch(4, 1))
  expect([await read(), ends()]).toEqual([2, 1])
  await expect(read()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})
