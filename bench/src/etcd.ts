import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { type EtcdStore, openEtcdStore } from '@holdfast/etcd'
import { Etcd3, type Lease } from 'etcd3'
import type { Benchmark, Round } from './harness.ts'
import { missingEtcd, withEtcd } from './support/etcd-process.ts'

const value = new TextEncoder().encode(JSON.stringify({ address: '10.0.0.1:9000', weight: 100 }))
const leases = 5_000
const renewEveryMs = 10_000 / 3

export const benchmark: Benchmark = {
  name: 'etcd',
  rows: [
    {
      id: 'register-128',
      title: 'registrations by transactions of 128 puts, one lease each transaction',
      unit: 'registrations/s',
      target: { of: 'ours', is: '>=', value: 15_000 },
      quick: true,
      ours: (round) => withOurs(round, (store) => registerBatches(round, (first) => ourBatch(store, first))),
      peer: {
        name: 'etcd3, one by one',
        measure: (round) => withPeer(round, (client) => registerOneByOne(round, client)),
      },
      skip: missingEtcd,
    },
    {
      id: 'renew-cpu',
      title: 'CPU to keep 5,000 leases of 10 s alive, each renewed every 3.3 s',
      unit: '% of a core',
      target: { of: 'ours', is: '<=', value: 10 },
      quick: true,
      ours: (round) => withOurs(round, (store) => ourRenewals(round, store, leases)),
      peer: { name: 'etcd3', measure: (round) => withPeer(round, (client) => peerRenewals(round, client)) },
      skip: missingEtcd,
    },
    {
      id: 'renew-20000-cpu',
      title: 'CPU to keep 20,000 leases of 10 s alive on one stream, each renewed every 3.3 s',
      unit: '% of a core',
      target: { of: 'ours', is: '<=', value: 40 },
      quick: false,
      rounds: 3,
      ours: (round) => withOurs(round, (store) => ourRenewals(round, store, 20_000)),
      skip: missingEtcd,
    },
    {
      id: 'put-to-watch-p99',
      title: 'put to the event on a watch, p99, one at a time',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 15 },
      quick: true,
      ours: (round) => withOurs(round, (store) => ourLatency(round, store)),
      peer: { name: 'etcd3', measure: (round) => withPeer(round, (client) => peerLatency(round, client)) },
      skip: missingEtcd,
    },
  ],
}

function withOurs(round: Round, measure: (store: EtcdStore) => Promise<number>): Promise<number> {
  return withEtcd(round.folder, async (endpoint) => {
    await using store = await openEtcdStore({ endpoints: [endpoint] })
    return await measure(store)
  })
}

function withPeer(round: Round, measure: (client: Etcd3) => Promise<number>): Promise<number> {
  return withEtcd(round.folder, async (endpoint) => {
    const client = new Etcd3({ hosts: endpoint })
    try {
      return await measure(client)
    } finally {
      client.close()
    }
  })
}

/** Sixteen batches at a time, as a restart of a large fleet would send them. */
async function registerBatches(round: Round, batch: (first: number) => Promise<unknown>): Promise<number> {
  const total = round.quick ? 16_384 : 65_536
  const started = performance.now()
  for (let first = 0; first < total; first += 16 * 128)
    await Promise.all(Array.from({ length: 16 }, (_, index) => batch(first + index * 128)))
  return total / ((performance.now() - started) / 1_000)
}

async function ourBatch(store: EtcdStore, first: number): Promise<void> {
  const { leaseId } = await store.grantLease(60_000)
  const then = Array.from({ length: 128 }, (_, index) => {
    return { kind: 'put', key: `service/${first + index}`, value, leaseId } as const
  })
  await store.transact({ then })
}

async function registerOneByOne(round: Round, client: Etcd3): Promise<number> {
  const total = round.quick ? 500 : 2_000
  const lease = client.lease(60)
  await lease.grant()
  const started = performance.now()
  for (let index = 0; index < total; index++)
    await lease.put(`service/${index}`).value(Buffer.from(value)).exec()
  const perSecond = total / ((performance.now() - started) / 1_000)
  await lease.revoke()
  return perSecond
}

/** As sessions do that began at any time: spread evenly over the pause. */
async function ourRenewals(round: Round, store: EtcdStore, count: number): Promise<number> {
  const timers: NodeJS.Timeout[] = []
  let last = ''
  let failures = 0
  const renew = (leaseId: string): void => {
    store.keepAlive(leaseId).catch(() => {
      failures += 1
    })
  }
  await inHundreds(count, async () => {
    const { leaseId } = await store.grantLease(10_000)
    last = leaseId
    const begin = (): void => void timers.push(setInterval(renew, renewEveryMs, leaseId))
    timers.push(setTimeout(begin, Math.random() * renewEveryMs))
  })
  await sleep(renewEveryMs)
  const percent = await cpuPercent(round)
  for (const timer of timers) clearTimeout(timer)
  await store.keepAlive(last) // Answered after all those before it.
  if (failures > 0) throw new Error(`${failures} renewals failed`)
  return percent
}

/** etcd3 renews each lease three times in its life, on a stream of its own. */
async function peerRenewals(round: Round, client: Etcd3): Promise<number> {
  const kept: Lease[] = []
  await inHundreds(leases, async () => {
    const lease = client.lease(10)
    await lease.grant()
    kept.push(lease)
  })
  await sleep(renewEveryMs)
  const percent = await cpuPercent(round)
  for (const lease of kept) lease.release()
  return percent
}

async function inHundreds(count: number, grant: () => Promise<void>): Promise<void> {
  for (let first = 0; first < count; first += 100) await Promise.all(Array.from({ length: 100 }, grant))
}

async function cpuPercent({ quick }: Round): Promise<number> {
  const before = process.cpuUsage()
  const started = performance.now()
  await sleep((quick ? 2 : 4) * renewEveryMs)
  const { user, system } = process.cpuUsage(before)
  return ((user + system) / 1_000 / (performance.now() - started)) * 100
}

async function ourLatency(round: Round, store: EtcdStore): Promise<number> {
  await using watch = await store.watch({ prefix: 'key' })
  const batches = watch[Symbol.asyncIterator]()
  return await p99(round, async () => {
    const seen = batches.next()
    await store.transact({ then: [{ kind: 'put', key: 'key', value }] })
    await seen
  })
}

async function peerLatency(round: Round, client: Etcd3): Promise<number> {
  const watcher = await client.watch().prefix('key').create()
  const figure = await p99(round, async () => {
    const seen = new Promise((resolve) => watcher.once('put', resolve))
    await client.put('key').value(Buffer.from(value)).exec()
    await seen
  })
  await watcher.cancel()
  return figure
}

async function p99({ quick }: Round, once: () => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let index = 0; index < (quick ? 300 : 1_500); index++) {
    const started = performance.now()
    await once()
    times.push(performance.now() - started)
  }
  return times.sort((a, b) => a - b)[Math.floor(times.length * 0.99)]!
}
