import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { openEtcdStore } from '@holdfast/etcd'
import { openSession, register } from '@holdfast/lease'
import { Etcd3 } from 'etcd3'
import { type FaultProxy, startProxy } from '../support/proxy.ts'

const key = 'services/edge/host'
const patienceMs = 15_000

/** Milliseconds for which a session that was cut off believed to hold what another client saw given away. */
export async function ourBelief(endpoint: string): Promise<number> {
  await using proxy = await startProxy(endpoint)
  const store = await openEtcdStore({ endpoints: [proxy.endpoint], requestTimeoutMs: 1_000 })
  const session = await openSession(store, { ttlMs: 2_000, closeTimeoutMs: 0 })
  await register(session, { service: 'edge', id: 'host', incarnation: 1 }, {})
  const { signal } = session
  const belief = await beliefAfterCut(endpoint, proxy, () => session.isHeld() && !signal.aborted)
  await session.close()
  await store.close()
  return belief
}

export async function peerBelief(endpoint: string): Promise<number> {
  await using proxy = await startProxy(endpoint)
  const client = new Etcd3({ hosts: proxy.endpoint })
  const lease = client.lease(2)
  let isHeld = true
  lease.on('lost', () => {
    isHeld = false
  })
  await lease.put(key).value('here')
  const belief = await beliefAfterCut(endpoint, proxy, () => isHeld)
  lease.release()
  client.close()
  return belief
}

async function beliefAfterCut(endpoint: string, proxy: FaultProxy, isHeld: () => boolean): Promise<number> {
  await using observer = await openEtcdStore({ endpoints: [endpoint] })
  await using watch = await observer.watch({ key })
  await sleep(1_000)
  proxy.hold()
  await watch[Symbol.asyncIterator]().next()
  const began = performance.now()
  if (!isHeld()) return 0
  while (isHeld() && performance.now() - began < patienceMs) await sleep(1)
  return performance.now() - began
}
