import { type CoordinationStore, type KeyChange, openView, type View } from '@holdfast/coordination'
import { createSeededRandom } from '@holdfast/core/testing'
import { openEtcdStore } from '@holdfast/etcd'
import { expect, test } from 'vitest'
import { describeEtcd, startEtcd } from '../support/etcd.ts'
import { type FaultProxy, startFaultProxy } from '../support/proxy.ts'
import { put } from '../support/store.ts'

const deep = process.env['HOLDFAST_DEEP'] === '1'
/** `HOLDFAST_SEED=244,7` plays these again. */
const seeds =
  process.env['HOLDFAST_SEED']?.split(',').map(Number) ?? (deep ? [1, 2, 3, 4, 5, 6] : [Date.now() % 1_000])

describeEtcd('a view over an etcd store', () => {
  test.each(seeds)(
    'shows what etcd has after whatever happened to both (seed %i)',
    async (seed) => {
      const random = createSeededRandom(seed)
      await using etcd = await startEtcd()
      await using proxy = await startFaultProxy(etcd.endpoint)
      await using direct = await openEtcdStore({ endpoints: [etcd.endpoint], namespace: 'n/' })
      await using store = await openEtcdStore({
        endpoints: [proxy.endpoint],
        namespace: 'n/',
        requestTimeoutMs: 500,
      })
      await using view = await openView(store, { prefix: 'key' })
      const told = new Map<string, number>()
      view.on('changed', ({ keys }) => {
        for (const change of keys) follow(told, change)
      })

      for (let round = 0; round < (deep ? 60 : 10); round++) {
        await write(direct, random)
        await misfortune(random)
      }
      proxy.fault({ kind: 'none' })
      await write(direct, random)
      await confirmed(view)
      const { entries, revision } = await direct.range({ prefix: 'key' })
      expect(view.entries()).toEqual(entries)
      expect(view.revision).toBeGreaterThanOrEqual(revision)
      expect([...told].sort()).toEqual(entries.map(({ key, modRevision }) => [key, modRevision]).sort())

      async function misfortune(draw: () => number): Promise<void> {
        const lot = draw()
        if (lot < 0.2) proxy.cut()
        else if (lot < 0.35) proxy.cutAfter(Math.floor(draw() * 20_000))
        else if (lot < 0.45) await black(proxy, draw)
        else if (lot < 0.55) await etcd.compact()
        else if (lot < 0.6) await etcd.restart()
        else if (lot < 0.65) await etcd.wipe()
      }
    },
    120_000,
  )

  test('finds out an etcd that was wiped and came further, with its cluster id, revision and term giving nothing away', async () => {
    await using etcd = await startEtcd()
    await using proxy = await startFaultProxy(etcd.endpoint)
    await using direct = await openEtcdStore({ endpoints: [etcd.endpoint] })
    await using store = await openEtcdStore({ endpoints: [proxy.endpoint] })
    const write = async (...keys: string[]): Promise<void> => {
      for (const key of keys) await direct.transact({ then: [put(key)] })
    }
    await write('a/1', 'a/2', 'b', 'b')
    await using view = await openView(store, { prefix: 'a/', antiEntropyMs: Number.POSITIVE_INFINITY })
    const resyncs: unknown[] = []
    view.on('changed', ({ resync }) => resyncs.push(resync))
    proxy.refuse()
    await etcd.wipe()
    await direct.range({ key: 'none' }).catch(() => undefined)
    // As many keys as before, none of them put at or after the revision that the view shows.
    await write('a/3', 'a/4', 'b', 'b', 'b', 'b')
    proxy.accept()
    await confirmed(view)
    expect(view.entries()).toEqual((await direct.range({ prefix: 'a/' })).entries)
    expect(resyncs).toEqual(['rolled-back'])
  })
})

/** Asks again while the store is away. */
async function confirmed(view: View): Promise<void> {
  const isConfirmed = (): Promise<boolean> =>
    view.confirm().then(
      () => true,
      () => false,
    )
  await expect.poll(isConfirmed, { timeout: 15_000 }).toBe(true)
}

function follow(told: Map<string, number>, change: KeyChange): void {
  if (change.kind === 'removed') told.delete(change.key)
  else told.set(change.key, change.after.modRevision)
}

async function black(proxy: FaultProxy, random: () => number): Promise<void> {
  proxy.fault({ kind: random() < 0.5 ? 'black-hole' : 'drop-answers' })
  await new Promise((resolve) => setTimeout(resolve, random() * 700))
  proxy.fault({ kind: 'none' })
}

/** Some transactions, of several keys each; what is not available yet is tried again. */
async function write(store: CoordinationStore, random: () => number): Promise<void> {
  for (let count = Math.floor(random() * 20); count >= 0; count--) {
    const keys = new Set(
      Array.from({ length: 1 + Math.floor(random() * 5) }, () => `key${Math.floor(random() * 30)}`),
    )
    const then = [...keys].map((key) =>
      random() < 0.3 ? ({ kind: 'delete', at: { key } } as const) : put(key, String(random())),
    )
    await store.transact({ then }).catch(() => undefined)
  }
}
