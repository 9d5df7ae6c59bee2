import { setTimeout as sleep } from 'node:timers/promises'
import { openView } from '@holdfast/coordination'
import { type EtcdStore, openEtcdStore } from '@holdfast/etcd'
import { Etcd3 } from 'etcd3'
import type { EtcdControl, EtcdMember } from '../support/etcd-process.ts'
import { type FaultProxy, startProxy } from '../support/proxy.ts'

const prefix = 'k/'

/** What a consumer believes: key to value. */
type Belief = Map<string, string>

/** A consumer of changes, ours or the peer's. */
type Follow = <T>(endpoints: readonly string[], work: (belief: Belief) => Promise<T>) => Promise<T>

/** Keys that a consumer knows wrongly when all is over: cuts, a compaction, a restart, a wipe. */
export async function losses(follow: Follow, endpoint: string, etcd: EtcdControl): Promise<number> {
  await using proxy = await startProxy(endpoint)
  return await follow([proxy.endpoint], (belief) => wrongAfterAll(endpoint, etcd, proxy, belief))
}

/** Keys that a consumer knows wrongly after its member lost the quorum, and was left out when it came back. */
export async function lossesByQuorum(follow: Follow, members: readonly EtcdMember[]): Promise<number> {
  const [first, ...others] = members as [EtcdMember, ...EtcdMember[]]
  return await follow(
    members.map(({ endpoint }) => endpoint),
    async (belief) => {
      await using direct = await openEtcdStore({ endpoints: others.map(({ endpoint }) => endpoint) })
      await put(direct, 'first', 0, 100)
      await settled(direct, belief, 5_000)
      for (const other of others) await other.kill()
      await sleep(2_000)
      first.freeze()
      await Promise.all(others.map((other) => other.start()))
      await put(direct, 'second', 0, 100)
      const wrong = await settled(direct, belief, 15_000)
      first.thaw()
      return wrong
    },
  )
}

export async function byView<T>(
  endpoints: readonly string[],
  work: (belief: Belief) => Promise<T>,
): Promise<T> {
  await using store = await openEtcdStore({ endpoints, requestTimeoutMs: 1_000, random: () => 0 })
  await using view = await openView(store, { prefix })
  const belief: Belief = new Map()
  view.on('changed', ({ keys }) => {
    for (const change of keys)
      if (change.kind === 'removed') belief.delete(change.key)
      else belief.set(change.key, Buffer.from(change.after.value).toString())
  })
  return await work(belief)
}

export async function byWatcher<T>(
  endpoints: readonly string[],
  work: (belief: Belief) => Promise<T>,
): Promise<T> {
  const client = new Etcd3({ hosts: [...endpoints] })
  const belief: Belief = new Map()
  const watcher = await client.watch().prefix(prefix).create()
  watcher.on('put', ({ key, value }) => belief.set(key.toString(), value.toString()))
  watcher.on('delete', ({ key }) => belief.delete(key.toString()))
  watcher.on('error', () => {}) // It goes on or not: that is what is measured.
  try {
    return await work(belief)
  } finally {
    // How the peer's watcher ends is not measured, nor waited for.
    await Promise.race([watcher.cancel().catch(() => {}), sleep(500)])
    client.close()
  }
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
