import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import type { CoordinationStore } from '@holdfast/coordination'
import { createDiscovery, openSession, register } from '@holdfast/lease'
import type { Etcd3 } from 'etcd3'
import type { Round } from '../harness.ts'
import { metadata } from './clients.ts'
import { p99 } from './percentile.ts'

export async function ourChanges({ quick }: Round, store: CoordinationStore, views: number): Promise<number> {
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

export async function peerChanges({ quick }: Round, client: Etcd3, views: number): Promise<number> {
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
