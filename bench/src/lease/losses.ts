import { setTimeout as sleep } from 'node:timers/promises'
import { openView } from '@holdfast/coordination'
import { type EtcdStore, openEtcdStore } from '@holdfast/etcd'
import { Etcd3 } from 'etcd3'
import type { EtcdControl } from '../support/etcd-process.ts'
import { type FaultProxy, startProxy } from '../support/proxy.ts'

const prefix = 'k/'

/** What a consumer believes: key to value. */
type Belief = Map<string, string>

/** Keys that a consumer of a view's changes knows wrongly when all is over. */
export async function ourLosses(endpoint: string, etcd: EtcdControl): Promise<number> {
  await using proxy = await startProxy(endpoint)
  await using store = await openEtcdStore({ endpoints: [proxy.endpoint], requestTimeoutMs: 1_000 })
  await using view = await openView(store, { prefix })
  const belief: Belief = new Map()
  view.on('changed', ({ keys }) => {
    for (const change of keys)
      if (change.kind === 'removed') belief.delete(change.key)
      else belief.set(change.key, Buffer.from(change.after.value).toString())
  })
  return await wrongAfterAll(endpoint, etcd, proxy, belief)
}

export async function peerLosses(endpoint: string, etcd: EtcdControl): Promise<number> {
  await using proxy = await startProxy(endpoint)
  const client = new Etcd3({ hosts: proxy.endpoint })
  const belief: Belief = new Map()
  const watcher = await client.watch().prefix(prefix).create()
  watcher.on('put', ({ key, value }) => belief.set(key.toString(), value.toString()))
  watcher.on('delete', ({ key }) => belief.delete(key.toString()))
  watcher.on('error', () => {}) // It goes on or not: that is what is measured.
  const wrong = await wrongAfterAll(endpoint, etcd, proxy, belief)
  await Promise.race([watcher.cancel().catch(() => {}), sleep(500)])
  client.close()
  return wrong
}

async function wrongAfterAll(
  endpoint: string,
  etcd: EtcdControl,
  proxy: FaultProxy,
  belief: Belief,
): Promise<number> {
  await using direct = await openEtcdStore({ endpoints: [endpoint] })
  proxy.refuse()
  for (let first = 0; first < 6_000; first += 60) await put(direct, 'first', first, 60)
  proxy.accept(60_000)
  await sleep(1_500)
  proxy.cutAfter(60_000)
  await put(direct, 'second', 0, 100)
  await settled(direct, belief, 5_000)
  proxy.refuse()
  await direct.transact({ then: [{ kind: 'delete', at: { prefix: `${prefix}first1` } }] })
  await put(direct, 'third', 0, 100)
  const { revision } = await direct.range({ key: 'none' })
  await etcd.compact(revision)
  proxy.accept()
  await settled(direct, belief, 5_000)
  await etcd.restart()
  await put(direct, 'fourth', 0, 50)
  await settled(direct, belief, 5_000)
  await etcd.wipe()
  await put(direct, 'fifth', 0, 50)
  return await settled(direct, belief, 8_000)
}

async function put(store: EtcdStore, name: string, first: number, count: number): Promise<void> {
  const then = Array.from({ length: count }, (_, index) => {
    return { kind: 'put', key: `${prefix}${name}${first + index}`, value: Buffer.from(name) } as const
  })
  for (let tries = 0; ; tries += 1)
    try {
      await store.transact({ then })
      return
    } catch (error) {
      if (tries === 50) throw error
      await sleep(50) // It was restarted: the next call connects again.
    }
}

/** Resolves with how many keys are known wrongly, at the latest after so long. */
async function settled(direct: EtcdStore, belief: Belief, patienceMs: number): Promise<number> {
  for (const deadline = Date.now() + patienceMs; ; await sleep(50)) {
    const wrong = await countWrong(direct, belief)
    if (wrong === 0 || Date.now() > deadline) return wrong
  }
}

async function countWrong(direct: EtcdStore, belief: Belief): Promise<number> {
  const { entries } = await direct.range({ prefix })
  const standing = new Map(entries.map(({ key, value }) => [key, Buffer.from(value).toString()]))
  const all = new Set([...standing.keys(), ...belief.keys()])
  return [...all].filter((key) => standing.get(key) !== belief.get(key)).length
}
