import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CoordinationStore } from '@holdfast/coordination'
import { type EtcdStore, openEtcdStore } from '@holdfast/etcd'
import { createDiscovery, openSession, register, startElection } from '@holdfast/lease'
import { Etcd3, type Election as PeerElection } from 'etcd3'
import type { Benchmark, Round } from './harness.ts'
import { missingEtcd, withEtcd } from './support/etcd-process.ts'

const metadata = { url: 'http://10.0.0.1:9000', weight: 100 }

export const benchmark: Benchmark = {
  name: 'lease',
  rows: [
    {
      id: 'register',
      title: 'registrations of one session, asked for at once',
      unit: 'registrations/s',
      target: { of: 'ours', is: '>=', value: 15_000 },
      quick: true,
      ours: (round) => withOurs(round, (store) => ourRegistrations(round, store)),
      peer: {
        name: 'etcd3, one by one',
        measure: (round) => withPeer(round, (client) => peerRegistrations(round, client)),
      },
      skip: missingEtcd,
    },
    {
      id: 'restore-p99',
      title: 'from an outside revoke to the registration standing again, p99',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 100 },
      quick: true,
      ours: (round) => withOurs(round, (store) => ourRestores(round, store)),
      skip: missingEtcd,
    },
    {
      id: 'restore-1000',
      title: 'until the last of 1,000 sessions stands again, all revoked at once',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 1_000 },
      quick: false,
      ours: (round) => withOurs(round, ourFleetRestores),
      skip: missingEtcd,
    },
    {
      id: 'handover-p99',
      title: 'from resigning to the next leader at work, p99',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 25 },
      quick: true,
      ours: (round) => withOurs(round, (store) => ourHandovers(round, store)),
      peer: { name: 'etcd3', measure: (round) => withPeer(round, (client) => peerHandovers(round, client)) },
      skip: missingEtcd,
    },
    changesRow('changes-p99', 'put to changes(), one view, p99', 1, 15),
    changesRow('changes-100-p99', 'put to changes() of the last of 100 views, p99', 100, 30),
  ],
}

function changesRow(id: string, title: string, views: number, value: number): Benchmark['rows'][number] {
  return {
    ...{ id, title, unit: 'ms', target: { of: 'ours', is: '<=', value }, quick: views === 1 },
    ours: (round) => withOurs(round, (store) => ourChanges(round, store, views)),
    peer: {
      name: 'etcd3 watchers',
      measure: (round) => withPeer(round, (client) => peerChanges(round, client, views)),
    },
    skip: missingEtcd,
  }
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

async function ourRegistrations({ quick }: Round, store: CoordinationStore): Promise<number> {
  await using session = await openSession(store)
  const count = quick ? 5_000 : 20_000
  const began = performance.now()
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      register(session, { service: 'edge', id: `host-${index}`, incarnation: 1 }, metadata),
    ),
  )
  return (count / (performance.now() - began)) * 1_000
}

async function peerRegistrations({ quick }: Round, client: Etcd3): Promise<number> {
  const lease = client.lease(10)
  await lease.grant()
  const count = quick ? 300 : 1_000
  const began = performance.now()
  for (let index = 0; index < count; index += 1)
    await lease.put(`services/edge/host-${index}`).value(JSON.stringify(metadata))
  const perSecond = (count / (performance.now() - began)) * 1_000
  await lease.revoke()
  return perSecond
}

async function ourRestores({ quick }: Round, store: CoordinationStore): Promise<number> {
  await using session = await openSession(store)
  await register(session, { service: 'edge', id: 'host', incarnation: 1 }, metadata)
  await sleep(200)
  return await p99(quick ? 30 : 100, async () => {
    const restored = new Promise<void>((resolve) => {
      const off = session.on('restored', () => {
        off()
        resolve()
      })
    })
    const began = performance.now()
    await store.revokeLease(session.leaseId)
    await restored
    return performance.now() - began
  })
}

async function ourFleetRestores(store: CoordinationStore): Promise<number> {
  const ids = Array.from({ length: 1_000 }, (_, index) => index)
  const sessions = await Promise.all(ids.map(() => openSession(store)))
  await Promise.all(
    sessions.map((session, index) =>
      register(session, { service: 'edge', id: `${index}`, incarnation: 1 }, metadata),
    ),
  )
  await sleep(1_000)
  const restored = Promise.all(
    sessions.map((session) => new Promise<void>((resolve) => session.on('restored', () => resolve()))),
  )
  await Promise.all(sessions.map(({ leaseId }) => store.revokeLease(leaseId)))
  const began = performance.now()
  await restored
  const took = performance.now() - began
  await Promise.all(sessions.map((session) => session.close()))
  return took
}

async function ourHandovers({ quick }: Round, store: CoordinationStore): Promise<number> {
  await using one = await openSession(store)
  await using two = await openSession(store)
  let announce = (): void => {}
  const elections = [one, two].map((session) =>
    startElection(session, 'leader', async ({ signal }) => {
      announce()
      if (!signal.aborted) await once(signal, 'abort')
    }),
  )
  while (!elections.some((election) => election.isLeader())) await sleep(5)
  return await p99(quick ? 30 : 100, async () => {
    await sleep(50)
    const leader = elections.find((election) => election.isLeader())
    const next = new Promise<void>((resolve) => {
      announce = resolve
    })
    const began = performance.now()
    void leader?.resign()
    await next
    return performance.now() - began
  })
}

async function peerHandovers({ quick }: Round, client: Etcd3): Promise<number> {
  let current = client.election('leader').campaign('0')
  await once(current, 'elected')
  let number = 0
  const took = await p99(quick ? 30 : 100, async () => {
    const next: ReturnType<PeerElection['campaign']> = client.election('leader').campaign(`${++number}`)
    const elected = once(next, 'elected')
    await sleep(50)
    const began = performance.now()
    void current.resign()
    await elected
    current = next
    return performance.now() - began
  })
  await current.resign()
  return took
}

async function ourChanges({ quick }: Round, store: CoordinationStore, views: number): Promise<number> {
  await using session = await openSession(store)
  const registration = await register(
    session,
    { service: 'edge', id: 'host', incarnation: 1 },
    { ...metadata, sent: 0 },
  )
  // One discovery for each, so that none shares a watch.
  const discoveries = Array.from({ length: views }, () => createDiscovery(store))
  const feeds = await Promise.all(
    discoveries.map(async (discovery) => (await discovery.view('edge')).changes()),
  )
  const took = await p99(quick ? 50 : 200, async () => {
    const began = performance.now()
    const told = Promise.all(feeds.map((feed) => feed.next()))
    await registration.update((now) => ({ ...now, sent: now.sent + 1 }))
    await told
    return performance.now() - began
  })
  await Promise.all(discoveries.map((discovery) => discovery.close()))
  return took
}

async function peerChanges({ quick }: Round, client: Etcd3, views: number): Promise<number> {
  const watchers = await Promise.all(
    Array.from({ length: views }, () => client.watch().prefix('services/edge/').create()),
  )
  const took = await p99(quick ? 50 : 200, async () => {
    const began = performance.now()
    const told = Promise.all(watchers.map((watcher) => once(watcher, 'put')))
    await client.put('services/edge/host').value(JSON.stringify(metadata))
    await told
    return performance.now() - began
  })
  await Promise.all(watchers.map((watcher) => watcher.cancel()))
  return took
}

/** Measures so often, after three that do not count. */
async function p99(times: number, measure: () => Promise<number>): Promise<number> {
  const figures: number[] = []
  for (let time = -3; time < times; time += 1) {
    const figure = await measure()
    if (time >= 0) figures.push(figure)
  }
  figures.sort((left, right) => left - right)
  return figures[Math.min(figures.length - 1, Math.floor(figures.length * 0.99))]!
}
