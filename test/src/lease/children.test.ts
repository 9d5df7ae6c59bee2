import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createMemoryStore } from '@holdfast/coordination'
import { openEtcdStore } from '@holdfast/etcd'
import { createDiscovery, openSession, register, startElection } from '@holdfast/lease'
import { expect, test } from 'vitest'
import { describeEtcd, startEtcd } from '../support/etcd.ts'
import { root } from '../support/workspace.ts'

const child = (name: string, ...args: string[]): ChildProcess =>
  spawn(process.execPath, [join(root, `test/dist/children/${name}.js`), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })

async function lifeOf(running: ChildProcess): Promise<{ code: number | null; lines: string[] }> {
  const lines: string[] = []
  createInterface({ input: running.stdout! }).on('line', (line) => lines.push(line))
  // Longer than any timer that could keep it alive would be noticed by.
  const guard = setTimeout(() => running.kill('SIGKILL'), 8_000)
  const [code] = (await once(running, 'close')) as [number | null]
  clearTimeout(guard)
  return { code, lines }
}

const lived = { code: 0, lines: ['1 registered', 'term ended', 'handed over', 'closed'] }

test('a process on the in-memory store ends by itself after close', async () => {
  expect(await lifeOf(child('lease-exit', 'memory'))).toEqual(lived)
})

describeEtcd('on a real etcd', () => {
  test('a process ends by itself after close', async () => {
    await using etcd = await startEtcd()
    expect(await lifeOf(child('lease-exit', etcd.endpoint))).toEqual(lived)
    expect(await etcd.etcdctl('get', '--prefix', '', '--keys-only')).toBe('')
    expect(await etcd.etcdctl('lease', 'list')).toMatch(/found 0 leases/)
  })

  test('a leader is killed with -9: it disappears, and the next one leads with a higher token', async () => {
    await using etcd = await startEtcd()
    const leader = child('lease-leader', etcd.endpoint, 'first', '2000')
    const [line] = (await once(createInterface({ input: leader.stdout! }), 'line')) as [string]
    const token = Number(line.replace('leads ', ''))
    await using store = await openEtcdStore({ endpoints: [etcd.endpoint] })
    await using session = await openSession(store, { ttlMs: 2_000 })
    await register(session, { service: 'edge', id: 'second', incarnation: 1 }, {})
    await using discovery = createDiscovery(store)
    const edge = await discovery.view('edge')
    const election = startElection(session, 'leader', async ({ signal }) => {
      await new Promise((ended) => signal.addEventListener('abort', ended))
    })
    expect(edge.instances().map(({ id }) => id)).toEqual(['first', 'second'])
    expect(election.isLeader()).toBe(false)
    leader.kill('SIGKILL')
    const next = await new Promise<number>((resolve) => election.on('elected', resolve))
    expect(next).toBeGreaterThan(token)
    for await (const { removed } of edge.instances().length === 1 ? [] : edge.changes())
      if (removed.some(({ id }) => id === 'first')) break
    expect(edge.instances().map(({ id }) => id)).toEqual(['second'])
  })
})

test('closing with nothing else open leaves no handle of the store', async () => {
  const store = createMemoryStore()
  const session = await openSession(store)
  await session.close()
  expect(store.stats?.()['store_leases']?.value).toBe(0)
  await store.close()
})
