import { performance } from 'node:perf_hooks'
import type { CoordinationStore } from '@holdfast/coordination'
import { openSession, register } from '@holdfast/lease'
import type { Etcd3 } from 'etcd3'
import type { Round } from '../harness.ts'
import { metadata } from './clients.ts'

export async function ourRegistrations({ quick }: Round, store: CoordinationStore): Promise<number> {
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

export async function peerRegistrations({ quick }: Round, client: Etcd3): Promise<number> {
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
