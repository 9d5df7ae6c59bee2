import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CoordinationStore } from '@holdfast/coordination'
import { openSession, register } from '@holdfast/lease'
import type { Round } from '../harness.ts'
import { metadata } from './clients.ts'
import { p99 } from './percentile.ts'

export async function ourRestores({ quick }: Round, store: CoordinationStore): Promise<number> {
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

export async function ourFleetRestores(store: CoordinationStore): Promise<number> {
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
