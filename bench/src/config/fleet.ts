import { performance } from 'node:perf_hooks'
import { type Config, openConfig, storeSource } from '@holdfast/config'
import { openEtcdStore } from '@holdfast/etcd'
import { Etcd3 } from 'etcd3'
import type { Round } from '../harness.ts'
import { withEtcd } from '../support/etcd-process.ts'
import { documentOf, percentile, type Settings, schema } from './document.ts'

const agents = 1_000
const key = '/config/agent'

/** Every agent has a view, a config and a value of its own; they share a process, so its one core does the work of all. */
export async function applyInFleet({ folder, quick }: Round): Promise<number> {
  return withEtcd(folder, async (endpoint) => {
    await using store = await openEtcdStore({ endpoints: [endpoint], requestTimeoutMs: 60_000 })
    const put = async (limit: number): Promise<void> => {
      const value = Buffer.from(JSON.stringify(documentOf(limit)))
      await store.transact({ then: [{ kind: 'put', key, value }] })
    }
    await put(0)
    const fleet: Config<Settings>[] = []
    for (let first = 0; first < agents; first += 50)
      fleet.push(
        ...(await Promise.all(
          Array.from({ length: 50 }, () =>
            openConfig({
              schema,
              sources: [storeSource(store, { key })],
              settleMs: [0, 0],
              bootTimeoutMs: 30_000,
            }),
          ),
        )),
      )
    const delays = await delaysOf(quick, put, (arrived) => {
      for (const config of fleet) config.on('applied', () => arrived(config.value.limit))
    })
    await Promise.all(fleet.map((config) => config.close()))
    return percentile(delays, 0.99)
  })
}

/** The floor: as many watches of etcd3 that only parse the value. */
export async function watchInFleet({ folder, quick }: Round): Promise<number> {
  return withEtcd(folder, async (endpoint) => {
    const client = new Etcd3({ hosts: endpoint })
    const put = async (limit: number): Promise<void> => {
      await client.put(key).value(JSON.stringify(documentOf(limit)))
    }
    await put(0)
    const watchers = await Promise.all(Array.from({ length: agents }, () => client.watch().key(key).create()))
    const delays = await delaysOf(quick, put, (arrived) => {
      for (const watcher of watchers)
        watcher.on('put', ({ value }) => arrived((JSON.parse(value.toString()) as Settings).limit))
    })
    await Promise.all(watchers.map((watcher) => watcher.cancel())) // or its timers keep the process alive
    client.close()
    return percentile(delays, 0.99)
  })
}

async function delaysOf(
  quick: boolean,
  put: (limit: number) => Promise<void>,
  listen: (arrived: (limit: number) => void) => void,
): Promise<readonly number[]> {
  const delays: number[] = []
  let started = 0
  let expected = 0
  let left = 0
  let done: () => void = () => undefined
  listen((limit) => {
    if (limit !== expected) return
    delays.push(performance.now() - started)
    left -= 1
    if (left === 0) done()
  })
  const warmUps = 3
  for (expected = 1; expected <= warmUps + (quick ? 5 : 20); expected += 1) {
    if (expected === warmUps + 1) delays.length = 0
    left = agents
    const everywhere = new Promise<void>((resolve) => {
      done = resolve
    })
    started = performance.now()
    await put(expected)
    await everywhere
  }
  return delays
}
