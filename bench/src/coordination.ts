import { performance } from 'node:perf_hooks'
import { createMemoryStore, type MemoryStore, openView, type View } from '@holdfast/coordination'
import { createFakeClock } from '@holdfast/core/testing'
import type { Benchmark, Round } from './harness.ts'

const value = new Uint8Array(100)

export const benchmark: Benchmark = {
  name: 'coordination',
  rows: [
    changesRow('changes-p99', 'put to changes() in memory, one view of 1,000 keys, p99', 1, 1_000, 15),
    changesRow(
      'changes-100-p99',
      'put to the last of 100 views of 10,000 keys in memory, p99',
      100,
      10_000,
      30,
    ),
    {
      id: 'open-10000',
      title: 'opening a view of 10,000 keys in memory',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 100 },
      quick: true,
      ours: openingMs,
    },
    {
      id: 'leases-20000-cpu',
      title: 'CPU for 20,000 leases in memory at TTL 10, each renewed every third of it',
      unit: '% of a core',
      target: { of: 'ours', is: '<=', value: 10 },
      quick: true,
      ours: renewalCpu,
    },
  ],
}

function changesRow(
  id: string,
  title: string,
  views: number,
  keys: number,
  target: number,
): Benchmark['rows'][number] {
  return {
    id,
    title,
    unit: 'ms',
    target: { of: 'ours', is: '<=', value: target },
    quick: true,
    ours: (round) => changesP99(round, views, keys),
  }
}

async function changesP99({ quick }: Round, count: number, keys: number): Promise<number> {
  await using store = await filled(keys)
  const views = await Promise.all(Array.from({ length: count }, () => openView(store, { prefix: 'key' })))
  try {
    return percentile(await latencies(store, views, quick ? 200 : 1_000), 0.99)
  } finally {
    await Promise.all(views.map((view) => view.close()))
  }
}

/** Milliseconds from each put until every view has told of it. */
async function latencies(store: MemoryStore, views: readonly View[], count: number): Promise<number[]> {
  const changes = views.map((view) => view.changes())
  const taken: number[] = []
  for (let index = 0; index < count; index += 1) {
    const begun = performance.now()
    await store.transact({ then: [{ kind: 'put', key: `key${index % 100}`, value }] })
    await Promise.all(changes.map((change) => change.next()))
    taken.push(performance.now() - begun)
  }
  return taken
}

async function openingMs(): Promise<number> {
  await using store = await filled(10_000)
  const begun = performance.now()
  await using view = await openView(store, { prefix: 'key' })
  const took = performance.now() - begun
  if (view.size !== 10_000) throw new Error(`the view shows ${view.size} keys of 10,000`)
  return took
}

/** CPU time of two whole turns of renewals, as a share of the time that they would be spread over. */
async function renewalCpu(): Promise<number> {
  const clock = createFakeClock()
  await using store = createMemoryStore({ clock })
  const leases: string[] = []
  for (let index = 0; index < 20_000; index += 1) leases.push((await store.grantLease(10_000)).leaseId)
  const before = process.cpuUsage()
  for (let turn = 0; turn < 6; turn += 1) {
    await clock.advance(10_000 / 3)
    for (const leaseId of leases) await store.keepAlive(leaseId)
  }
  const { user, system } = process.cpuUsage(before)
  return ((user + system) / 1_000 / 20_000) * 100
}

async function filled(keys: number): Promise<MemoryStore> {
  const store = createMemoryStore()
  for (let first = 0; first < keys; first += 100)
    await store.transact({
      then: Array.from({ length: 100 }, (_, index) => ({ kind: 'put', key: `key${first + index}`, value })),
    })
  return store
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}
