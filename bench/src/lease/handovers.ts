import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CoordinationStore } from '@holdfast/coordination'
import { openSession, startElection } from '@holdfast/lease'
import type { Etcd3, Election as PeerElection } from 'etcd3'
import type { Round } from '../harness.ts'
import { p99 } from './percentile.ts'

/** How long the next one has stood in line. A new watch of what is there already gets its first events from etcd's loop of every 100 ms. */
const inLineMs = 150

export async function ourHandovers({ quick }: Round, store: CoordinationStore): Promise<number> {
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
    await sleep(inLineMs)
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

export async function peerHandovers({ quick }: Round, client: Etcd3): Promise<number> {
  let current = client.election('leader').campaign('0')
  await once(current, 'elected')
  let number = 0
  const took = await p99(quick ? 30 : 100, async () => {
    const next: ReturnType<PeerElection['campaign']> = client.election('leader').campaign(`${++number}`)
    const elected = once(next, 'elected')
    await sleep(inLineMs)
    const began = performance.now()
    void current.resign()
    await elected
    current = next
    return performance.now() - began
  })
  await current.resign()
  return took
}
