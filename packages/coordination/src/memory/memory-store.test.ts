import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import type { Operation } from '../store.ts'
import { createMemoryStore } from './memory-store.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('leases end by the clock, and delete their keys in one revision', async () => {
  const clock = createFakeClock()
  await using store = createMemoryStore({ clock })
  const { leaseId, ttlMs } = await store.grantLease(1)
  expect(ttlMs).toBe(2_000)
  const then = ['a', 'b'].map((key) => ({ kind: 'put', key, value: bytes(key), leaseId }) as const)
  await store.transact({ then })
  await using watch = await store.watch({ prefix: '' })
  await clock.advance(1_500)
  await store.keepAlive(leaseId)
  await clock.advance(1_999)
  expect((await store.range({ prefix: '' })).count).toBe(2)
  await clock.advance(1)
  for await (const batch of watch) {
    expect(batch).toEqual({
      clusterId: 'memory-1',
      revision: 3,
      events: [
        { kind: 'delete', key: 'a', modRevision: 3 },
        { kind: 'delete', key: 'b', modRevision: 3 },
      ],
    })
    break
  }
  expect(clock.sleepers).toBe(0)
})

const put = (key: string, value = key, leaseId?: string): Operation => ({
  kind: 'put',
  key,
  value: bytes(value),
  ...(leaseId === undefined ? {} : { leaseId }),
})

test('a lease whose time is up is gone for every call, though nothing woke the store', async () => {
  const clock = createFakeClock()
  await using store = createMemoryStore({ clock })
  const { leaseId } = await store.grantLease(2_000)
  await store.transact({ then: [put('a', 'a', leaseId)] })
  clock.stall(2_000)
  await expect(store.keepAlive(leaseId)).rejects.toMatchObject({ code: 'LEASE_NOT_FOUND' })
  expect((await store.range({ prefix: '' })).count).toBe(0)
})

test('many leases end in the order of their time, renewed or not', async () => {
  const clock = createFakeClock()
  await using store = createMemoryStore({ clock })
  const order = [7, 3, 9, 2, 5, 8, 4, 6]
  const ids = new Map<number, string>()
  for (const seconds of order) {
    const { leaseId } = await store.grantLease(seconds * 1_000)
    ids.set(seconds, leaseId)
    await store.transact({ then: [put(String(seconds), '', leaseId)] })
  }
  await clock.advance(1_000)
  for (const seconds of [2, 4, 7]) await store.keepAlive(ids.get(seconds)!)
  await store.revokeLease(ids.get(5)!)
  const ended: string[] = []
  for (let second = 2; second <= 9; second += 1) {
    await clock.advance(1_000)
    const { entries } = await store.range({ prefix: '' })
    ended.push(entries.map(({ key }) => key).join(''))
  }
  expect(ended).toEqual(['2346789', '46789', '46789', '6789', '789', '789', '9', ''])
  expect(clock.sleepers).toBe(0)
})

test('leases go on ending while no client is left, and their watches hear of it', async () => {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const { leaseId } = await store.grantLease(2_000)
  await store.transact({ then: [put('a', 'a', leaseId)] })
  await store.close()
  expect(clock.sleepers).toBe(0)
  await clock.advance(5_000)
  await using late = store.connect()
  expect((await late.range({ prefix: '' })).count).toBe(0)
})

test('history is bounded: old revisions go, and a reader that is too slow for them is told', async () => {
  await using store = createMemoryStore({ retainRevisions: 10 })
  const slow = await store.watch({ prefix: 'a' })
  const idle = await store.watch({ prefix: 'b' })
  for (let count = 0; count < 100; count += 1) await store.transact({ then: [put('a')] })
  const { revision } = await store.range({ prefix: '' })
  await store.range({ prefix: '' }, { revision: revision - 10 })
  await expect(store.range({ prefix: '' }, { revision: revision - 21 })).rejects.toMatchObject({
    code: 'WATCH_COMPACTED',
  })
  await expect(slow[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'WATCH_COMPACTED' })
  await store.transact({ then: [put('b')] })
  expect((await idle[Symbol.asyncIterator]().next()).value.events).toHaveLength(1)
})

test('what a watch has not read yet survives a compaction', async () => {
  await using store = createMemoryStore()
  const batches = (await store.watch({ prefix: '' }))[Symbol.asyncIterator]()
  await store.transact({ then: [put('a')] })
  await store.transact({ then: [{ kind: 'delete', at: { key: 'a' } }] })
  store.compact()
  await store.transact({ then: [put('b')] })
  const kinds = [await batches.next(), await batches.next(), await batches.next()]
  expect(kinds.map(({ value }) => value.events[0].kind)).toEqual(['put', 'delete', 'put'])
})

test('a watch from the compacted revision itself misses its deletions, as in etcd 3.4', async () => {
  await using store = createMemoryStore()
  await store.transact({ then: [put('a'), put('b')] })
  const { revision } = await store.transact({ then: [put('b'), { kind: 'delete', at: { key: 'a' } }] })
  store.compact()
  const watch = await store.watch({ prefix: '' }, { fromRevision: revision })
  const { value } = await watch[Symbol.asyncIterator]().next()
  expect(value.events).toEqual([expect.objectContaining({ kind: 'put' })])
})

test('a wipe makes another cluster, whose revisions start over and whose leases are new', async () => {
  await using store = createMemoryStore()
  const { leaseId } = await store.grantLease(60_000)
  await store.transact({ then: [put('a', 'a', leaseId)] })
  const next = (await store.watch({ prefix: '' }))[Symbol.asyncIterator]().next()
  const { clusterId } = await store.range({ prefix: '' })
  store.wipe()
  await expect(next).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  const wiped = await store.range({ prefix: '' })
  expect([wiped.revision, wiped.count, wiped.clusterId === clusterId]).toEqual([1, 0, false])
  await expect(store.keepAlive(leaseId)).rejects.toMatchObject({ code: 'LEASE_NOT_FOUND' })
})

test('refuses half a surrogate pair, which has no bytes of its own', async () => {
  await using store = createMemoryStore()
  await expect(store.transact({ then: [put('a\ud800')] })).rejects.toMatchObject({ code: 'STORE_REFUSED' })
})

test.each([{ clock: {} }, { retainRevisions: 0 }])('refuses %o', (options) => {
  expect(() => createMemoryStore(options as never)).toThrow(/must/)
})
