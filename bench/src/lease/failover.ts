import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openEtcdStore } from '@holdfast/etcd'
import { openSession, startElection } from '@holdfast/lease'
import { Etcd3 } from 'etcd3'

/** Milliseconds from the kill of a leading process until the candidate here leads. */
export async function failover(kind: 'ours' | 'etcd3', endpoint: string): Promise<number> {
  const script = fileURLToPath(new URL('./leader.js', import.meta.url))
  const leader = spawn(process.execPath, [script, kind, endpoint], { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await once(leader.stdout!, 'data')
    return await (kind === 'ours' ? ours(leader, endpoint) : peers(leader, endpoint))
  } finally {
    leader.kill('SIGKILL')
  }
}

async function ours(leader: ChildProcess, endpoint: string): Promise<number> {
  await using store = await openEtcdStore({ endpoints: [endpoint] })
  await using session = await openSession(store, { ttlMs: 2_000 })
  const elected = new Promise<void>((resolve) => {
    startElection(session, 'leader', async () => resolve())
  })
  return await untilAfterKill(leader, elected)
}

async function peers(leader: ChildProcess, endpoint: string): Promise<number> {
  const client = new Etcd3({ hosts: endpoint })
  const campaign = client.election('leader', 2).campaign('waiting')
  const took = await untilAfterKill(leader, once(campaign, 'elected'))
  await campaign.resign()
  client.close()
  return took
}

async function untilAfterKill(leader: ChildProcess, elected: Promise<unknown>): Promise<number> {
  // The candidate is in line by then, and the kill falls anywhere between two renewals.
  await sleep(500 + 700 * Math.random())
  leader.kill('SIGKILL')
  const began = performance.now()
  await elected
  return performance.now() - began
}
