import { type EtcdStore, openEtcdStore } from '@holdfast/etcd'
import { expect, test } from 'vitest'
import { describeEtcd, startEtcd } from '../support/etcd.ts'
import { bytes, codeOf, put, readAll, revisionOf } from '../support/store.ts'

const open = (endpoints: readonly string[]): Promise<EtcdStore> =>
  openEtcdStore({ endpoints, requestTimeoutMs: 3_000 })

describeEtcd('an etcd store over the life of its etcd', () => {
  test('kill -9 breaks watches and renewals; after the restart all is there and goes on', async () => {
    await using etcd = await startEtcd()
    await using store = await open([etcd.endpoint])
    const { leaseId } = await store.grantLease(60_000)
    await store.transact({ then: [put('kept', 'value', leaseId)] })
    const watch = readAll(await store.watch({ prefix: '' }))
    await etcd.kill()
    expect(await watch.ended).toBe('STORE_UNAVAILABLE')
    expect(await codeOf(store.range({ key: 'kept' }))).toBe('STORE_UNAVAILABLE')
    expect(await codeOf(store.keepAlive(leaseId))).toBe('STORE_UNAVAILABLE')
    await etcd.restart()
    const { entries, clusterId } = await store.range({ key: 'kept' })
    expect(entries[0]).toMatchObject({ key: 'kept', leaseId, createRevision: 2, version: 1 })
    expect((await store.keepAlive(leaseId)).ttlMs).toBe(60_000)
    const resumed = readAll(await store.watch({ prefix: '' }, { fromRevision: 2 }))
    await store.revokeLease(leaseId)
    await expect.poll(() => resumed.events.map(({ kind }) => kind)).toEqual(['put', 'delete'])
    expect((await store.range({ key: 'kept' })).clusterId).toBe(clusterId)
  })

  test('with connect: later it opens while etcd is down, and the first call connects', async () => {
    await using etcd = await startEtcd()
    await etcd.kill()
    await using store = await openEtcdStore({
      endpoints: [etcd.endpoint],
      requestTimeoutMs: 3_000,
      connect: 'later',
    })
    expect(await codeOf(store.range({ key: 'a' }))).toBe('STORE_UNAVAILABLE')
    await etcd.restart()
    expect((await store.range({ key: 'a' })).count).toBe(0)
  })

  test('a wipe is another cluster', async () => {
    await using etcd = await startEtcd()
    await using store = await open([etcd.endpoint])
    await using idle = await open([etcd.endpoint])
    const idleBefore = await idle.transact({ then: [put('b')] })
    const changes: string[][] = []
    store.on('clusterChanged', (before, now) => changes.push([before, now]))
    await store.transact({ then: [put('a')] })
    const before = await store.range({ key: 'a' })
    const watch = readAll(await store.watch({ prefix: '' }))
    await etcd.wipe()
    expect(await watch.ended).toBe('STORE_UNAVAILABLE')
    const now = await store.range({ key: 'a' })
    expect([now.count, now.revision, now.clusterId === before.clusterId]).toEqual([0, 1, false])
    expect((await store.watch({ prefix: '' }, { fromRevision: 3 })).started).toEqual({
      clusterId: now.clusterId,
      revision: 1,
    })
    expect(changes).toEqual([[before.clusterId, now.clusterId]])
    // Nothing was open there that could have broken, but for the connection itself.
    expect((await idle.range({ key: 'a' })).clusterId).not.toBe(idleBefore.clusterId)
  })

  test('a watch from history that was compacted away tells from where history is kept', async () => {
    await using etcd = await startEtcd()
    await using store = await open([etcd.endpoint])
    for (const value of ['1', '2', '3']) await store.transact({ then: [put('a', value)] })
    const live = readAll(await store.watch({ prefix: '' }))
    const compactRevision = await etcd.compact()
    const watch = await store.watch({ prefix: '' }, { fromRevision: 2 })
    const error = await watch[Symbol.asyncIterator]()
      .next()
      .catch((reason) => reason)
    expect([error.code, error.fields.compactRevision]).toEqual(['WATCH_COMPACTED', compactRevision])
    expect(await codeOf(store.range({ key: 'a' }, { revision: 2 }))).toBe('WATCH_COMPACTED')
    await store.transact({ then: [put('a', '4')] })
    await expect.poll(() => live.events.map(revisionOf)).toEqual([compactRevision + 1])
  })

  test('a revision larger than one message comes as one batch', async () => {
    await using etcd = await startEtcd({ flags: ['--max-request-bytes=8000000'] })
    await using store = await open([etcd.endpoint])
    await using reader = await openEtcdStore({ endpoints: [etcd.endpoint], watchBufferBytes: 2 ** 20 })
    const watch = await store.watch({ prefix: '' })
    const slow = readLater(await reader.watch({ prefix: '' }))
    const value = new Uint8Array(120_000).fill(7)
    const keys = Array.from({ length: 60 }, (_, index) => `key${String(index).padStart(2, '0')}`)
    for (const _ of [1, 2]) await store.transact({ then: keys.map((key) => ({ kind: 'put', key, value })) })
    const batches = watch[Symbol.asyncIterator]()
    for (const revision of [2, 3]) {
      const { value: batch } = await batches.next()
      expect([batch.revision, batch.events.length, batch.events[59].entry.value.length]).toEqual([
        revision,
        60,
        120_000,
      ])
    }
    const { entries } = await store.range({ prefix: '' })
    expect([entries.length, entries[59]!.value]).toEqual([60, value])
    expect(await slow()).toBe('STORE_UNAVAILABLE')
    await store.close()
    expect(await batches.next().catch((error) => error.code)).toBe('STORE_CLOSED')

    function readLater(late: Awaited<ReturnType<EtcdStore['watch']>>) {
      return () => readAll(late).ended
    }
  })

  test('128 operations pass and 129 are refused, as are too large a request and a key written twice', async () => {
    await using etcd = await startEtcd()
    await using store = await open([etcd.endpoint])
    const puts = (count: number) => Array.from({ length: count }, (_, index) => put(`key${index}`))
    await store.transact({ then: puts(128) })
    expect((await store.range({ prefix: '' })).count).toBe(128)
    expect(await codeOf(store.transact({ then: puts(129) }))).toBe('STORE_REFUSED')
    expect(await codeOf(store.transact({ then: [put('a'), put('a')] }))).toBe('STORE_REFUSED')
    const value = new Uint8Array(2_000_000)
    expect(await codeOf(store.transact({ then: [{ kind: 'put', key: 'a', value }] }))).toBe('STORE_REFUSED')
    expect(await codeOf(store.transact({ then: [put('a', 'a', '123')] }))).toBe('LEASE_NOT_FOUND')
    expect(await codeOf(store.range({ key: 'a' }, { revision: 99 }))).toBe('STORE_REFUSED')
    expect((await store.range({ key: 'a' })).count).toBe(0)
  })

  test('values are copied both ways, and keys keep to the namespace', async () => {
    await using etcd = await startEtcd()
    await using store = await open([etcd.endpoint])
    await using inner = await openEtcdStore({ endpoints: [etcd.endpoint], namespace: 'in/' })
    const value = bytes('before')
    const written = inner.transact({ then: [{ kind: 'put', key: 'ключ', value }] })
    value.fill(0)
    await written
    await store.transact({ then: [put('in0'), put('im')] })
    const { entries } = await inner.range({ prefix: '' })
    expect(entries.map((entry) => [entry.key, entry.value])).toEqual([['ключ', bytes('before')]])
    expect((await store.range({ prefix: '' })).entries.map(({ key }) => key)).toEqual([
      'im',
      'in/ключ',
      'in0',
    ])
    const deleted = await inner.transact({ then: [{ kind: 'delete', at: { prefix: '' } }] })
    expect(deleted.outcomes).toEqual([{ kind: 'delete', deleted: 1 }])
    expect(await codeOf(inner.range({ key: '' }))).toBe('STORE_REFUSED')
  })
})
