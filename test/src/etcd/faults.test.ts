import { type EtcdStore, type EtcdStoreOptions, openEtcdStore } from '@holdfast/etcd'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { describeEtcd, type Etcd, startEtcd } from '../support/etcd.ts'
import { startFaultProxy } from '../support/proxy.ts'
import { bytes, codeOf, put, putEach, readAll, revisionOf } from '../support/store.ts'

describeEtcd('an etcd store on a network that fails', () => {
  let etcd: Etcd
  let namespace = 0
  beforeAll(async () => {
    etcd = await startEtcd()
  })
  afterAll(() => etcd.close())
  beforeEach(() => {
    namespace += 1
  })

  const open = (endpoints: string[], options: Partial<EtcdStoreOptions> = {}): Promise<EtcdStore> =>
    openEtcdStore({ endpoints, namespace: `${namespace}/`, requestTimeoutMs: 1_500, ...options })

  test('a cut in the middle of a catch-up breaks the watch, and loses nothing that it does not tell of', async () => {
    await using proxy = await startFaultProxy(etcd.endpoint)
    await using direct = await open([etcd.endpoint], { requestTimeoutMs: 20_000 })
    await using store = await open([proxy.endpoint])
    const count = process.env['HOLDFAST_DEEP'] === '1' ? 6_000 : 2_500
    const { revision } = await direct.range({ key: 'none' })
    await putEach(direct, 'key', count)

    const seen: number[] = []
    let cuts = 0
    for (let cursor = revision + 1; seen.length < count; cursor = (seen.at(-1) ?? revision) + 1) {
      if (cuts < 3) proxy.cutAfter(60_000)
      const watch = readAll(await store.watch({ prefix: 'key' }, { fromRevision: cursor }))
      while (seen.length + watch.events.length < count) {
        const ended = await Promise.race([
          watch.ended,
          new Promise<void>((resolve) => setTimeout(resolve, 5)),
        ])
        if (ended === undefined) continue
        expect(ended).toBe('STORE_UNAVAILABLE')
        cuts += 1
        break
      }
      seen.push(...watch.events.map(revisionOf))
    }
    expect(cuts).toBeGreaterThan(0)
    expect(seen).toEqual(Array.from({ length: count }, (_, index) => revision + 1 + index))
  })

  test.concurrent('a watch on a connection that fell silent breaks by the ping alone', async () => {
    await using proxy = await startFaultProxy(etcd.endpoint)
    await using store = await open([proxy.endpoint], {
      namespace: 'ping/',
      keepAlive: { timeMs: 5_000, timeoutMs: 100 },
    })
    const watch = readAll(await store.watch({ prefix: '' }))
    proxy.fault({ kind: 'black-hole' })
    expect(await watch.ended).toBe('STORE_UNAVAILABLE')
  })

  test.concurrent('a black hole ends calls by their deadline and breaks watches and renewals with the connection', async () => {
    await using proxy = await startFaultProxy(etcd.endpoint)
    await using store = await open([proxy.endpoint], { namespace: 'hole/' })
    const { leaseId } = await store.grantLease(30_000)
    const watch = readAll(await store.watch({ prefix: '' }))
    proxy.fault({ kind: 'black-hole' })
    const codes = await Promise.all([
      codeOf(store.range({ key: 'a' })),
      codeOf(store.transact({ then: [put('a')] })),
      codeOf(store.keepAlive(leaseId)),
      codeOf(store.watch({ prefix: '' })),
      watch.ended,
    ])
    expect(new Set(codes)).toEqual(new Set(['STORE_UNAVAILABLE']))
    proxy.fault({ kind: 'none' })
    expect((await store.keepAlive(leaseId)).ttlMs).toBe(30_000)
  })

  test.concurrent('a silent connection is left for a new one, though the old one still stands', async () => {
    await using proxy = await startFaultProxy(etcd.endpoint)
    await using store = await open([proxy.endpoint], { namespace: 'silent/' })
    // Another store of this process, which goes on holding what it has.
    await using other = await open([proxy.endpoint], { namespace: 'other/' })
    const held = readAll(await other.watch({ prefix: '' }))
    proxy.fault({ kind: 'drop-answers' })
    expect(await codeOf(store.transact({ then: [put('applied')] }))).toBe('STORE_UNAVAILABLE')
    proxy.freeze()
    proxy.fault({ kind: 'none' })
    const { entries } = await store.range({ prefix: '' })
    expect(entries.map(({ key }) => key)).toEqual(['applied'])
    expect(store.stats()['etcd_connections_total']!.value).toBe(2)
    await held.close()
  })

  test('a frozen etcd is the same, and serves again when it thaws', async () => {
    await using store = await open([etcd.endpoint])
    const watch = readAll(await store.watch({ prefix: '' }))
    const lost = new Promise((resolve) => store.on('disconnected', resolve))
    etcd.pause()
    try {
      expect(await codeOf(store.range({ key: 'a' }))).toBe('STORE_UNAVAILABLE')
      expect(await watch.ended).toBe('STORE_UNAVAILABLE')
      expect(await lost).toBe(etcd.endpoint)
      expect(await codeOf(open([etcd.endpoint]))).toBe('STORE_UNAVAILABLE')
    } finally {
      etcd.resume()
    }
    await store.transact({ then: [put('a')] })
  })

  test('the next endpoint takes over from one that died, and from one that is silent from the start', async () => {
    await using dying = await startFaultProxy(etcd.endpoint)
    await using store = await open([dying.endpoint, etcd.endpoint], { random: () => 0 })
    const watch = readAll(await store.watch({ prefix: '' }))
    dying.refuse()
    expect(await watch.ended).toBe('STORE_UNAVAILABLE')
    await store.transact({ then: [put('a')] })
    dying.accept()
    dying.fault({ kind: 'black-hole' })
    await using other = await open([dying.endpoint, etcd.endpoint], { random: () => 0 })
    expect((await other.range({ prefix: '' })).count).toBe(1)
  })

  test('an aborted call ends with the reason, and the next one goes through', async () => {
    await using proxy = await startFaultProxy(etcd.endpoint)
    await using store = await open([proxy.endpoint])
    const watch = readAll(await store.watch({ prefix: '' }))
    proxy.fault({ kind: 'delay', ms: 100 })
    const reason = new Error('enough')
    const abort = new AbortController()
    const calls = [
      store.range({ key: 'a' }, { signal: abort.signal }),
      store.transact({ then: [put('a')] }, { signal: abort.signal }),
      store.watch({ prefix: '' }, { signal: abort.signal }),
      store.grantLease(5_000, { signal: abort.signal }),
    ]
    setTimeout(() => abort.abort(reason), 20)
    expect(await Promise.all(calls.map((call) => call.catch((error) => error)))).toEqual(
      calls.map(() => reason),
    )
    proxy.fault({ kind: 'none' })
    await store.transact({ then: [{ kind: 'put', key: 'b', value: bytes('b') }] })
    await expect
      .poll(() => watch.events.some((event) => event.kind === 'put' && event.entry.key === 'b'))
      .toBe(true)
    expect(store.stats()['etcd_watches']!.value).toBe(1)
    expect(store.stats()['etcd_connections_total']!.value).toBe(1)
  })

  test('nobody at home is told with the endpoints', async () => {
    const nowhere = ['http://127.0.0.1:1', 'http://127.0.0.1:2']
    const error = await open(nowhere).catch((reason) => reason)
    expect([error.code, error.retryable, error.fields.endpoints]).toEqual([
      'STORE_UNAVAILABLE',
      true,
      nowhere,
    ])
    for (const endpoint of nowhere) expect(error.message).toContain(endpoint)
  })
})
