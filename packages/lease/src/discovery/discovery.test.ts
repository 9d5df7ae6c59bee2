import { createMemoryStore, type MemoryStore } from '@holdfast/coordination'
import { withFaults } from '@holdfast/coordination/testing'
import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { type Registration, register } from '../registration/registration.ts'
import { openSession, type Session } from '../session/session.ts'
import type { ServiceChange } from './change.ts'
import { createDiscovery, type Discovery } from './discovery.ts'

interface World {
  clock: FakeClock
  memory: MemoryStore
  session: Session
  discovery: Discovery
  add(id: string, metadata?: unknown, incarnation?: number): Promise<Registration<unknown>>
  end(): Promise<void>
}

async function setUp(options: { maxServices?: number } = {}): Promise<World> {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const random = createSeededRandom(1)
  const session = await openSession(memory, { clock, random })
  const discovery = createDiscovery(memory, { clock, random, ...options })
  return {
    ...{ clock, memory, session, discovery },
    add: (id, metadata = { id }, incarnation = 1) =>
      register(session, { service: 'edge', id, incarnation }, metadata),
    async end() {
      await discovery.close()
      await session.close()
      await memory.close()
      await clock.advance(1)
      expect(clock.sleepers).toBe(0)
    },
  }
}

const ids = (list: readonly { id: string }[]): string => list.map(({ id }) => id).join()

function summary({ added, changed, removed, resync }: ServiceChange<unknown>): string {
  return [`+${ids(added)}`, `~${ids(changed)}`, `-${ids(removed)}`, resync ?? ''].join(' ').trim()
}

test('a view shows what stands, then every change, once and in order', async () => {
  const { clock, discovery, add, end } = await setUp()
  const first = await add('a')
  const edge = await discovery.view('edge')
  expect(ids(edge.instances())).toBe('a')
  const seen: string[] = []
  edge.on('changed', (change) => seen.push(summary(change)))
  await Promise.all([add('b'), add('c')])
  await first.update(() => ({ weight: 0 }))
  await first.withdraw({ graceMs: 0 })
  await clock.advance(10)
  expect(seen).toEqual(['+b,c ~ -', '+ ~a -', '+ ~ -a'])
  expect(ids(edge.instances())).toBe('b,c')
  expect(edge.get('b')).toMatchObject({
    service: 'edge',
    id: 'b',
    incarnation: 1,
    metadata: { id: 'b' },
    suspect: false,
  })
  expect(edge.instances()).toBe(edge.instances())
  await end()
})

test('changes() tells every change from the call on, and a slow consumer one difference', async () => {
  const { clock, discovery, add, end } = await setUp()
  const edge = await discovery.view('edge')
  const slow = edge.changes({ maxPending: 2 })
  const keen = edge.changes()
  const a = await add('a')
  await add('b')
  await clock.advance(10)
  await a.update(() => 1)
  await a.withdraw()
  await add('c')
  await clock.advance(10)
  const taken: string[] = []
  for (let count = 0; count < 5; count += 1) taken.push(summary((await keen.next()).value!))
  expect(taken).toEqual(['+a ~ -', '+b ~ -', '+ ~a -', '+ ~ -a', '+c ~ -'])
  expect(summary((await slow.next()).value!)).toBe('+b,c ~ - lagged')
  await add('d')
  await clock.advance(10)
  expect(summary((await slow.next()).value!)).toBe('+d ~ -')
  const waiting = slow.next()
  await edge.close()
  expect(await waiting).toMatchObject({ done: true })
  await end()
})

test('changes() ends with its signal', async () => {
  const { discovery, end } = await setUp()
  const edge = await discovery.view('edge')
  const stop = new AbortController()
  const waiting = edge.changes({ signal: stop.signal }).next()
  stop.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  await end()
})

test('an undecodable value is surfaced and left out, and is no harm to the others', async () => {
  const { clock, memory, discovery, add, end } = await setUp()
  await add('a', { port: 1 })
  await add('b', { port: 'none' })
  const put = (key: string, value: string) =>
    memory.transact({ then: [{ kind: 'put', key, value: Buffer.from(value) }] })
  await put('services/edge/c', '{"half')
  const decode = (metadata: unknown): { port: number } => {
    const { port } = metadata as { port: unknown }
    if (typeof port !== 'number') throw new Error('no port')
    return { port }
  }
  const edge = await discovery.view('edge', { decode })
  expect(ids(edge.instances())).toBe('a')
  expect([...edge.undecodable.keys()].sort()).toEqual(['services/edge/b', 'services/edge/c'])
  const surfaced: string[] = []
  edge.on('undecodable', (key, error) => surfaced.push(`${key} ${(error as { code: string }).code}`))
  await put('services/edge/d/e', '{}')
  await put('services/edge/c', JSON.stringify({ v: 1, owner: 'x', incarnation: 1, metadata: { port: 3 } }))
  await clock.advance(10)
  expect(surfaced).toEqual(['services/edge/d/e REGISTRATION_DAMAGED'])
  expect(ids(edge.instances())).toBe('a,c')
  expect([...edge.undecodable.keys()].sort()).toEqual(['services/edge/b', 'services/edge/d/e'])
  await memory.transact({ then: [{ kind: 'delete', at: { key: 'services/edge/d/e' } }] })
  await clock.advance(10)
  expect([...edge.undecodable.keys()]).toEqual(['services/edge/b'])
  await end()
})

test('picking skips who drains and who failed lately, and falls back to the failed', async () => {
  const { clock, discovery, add, end } = await setUp()
  const [a] = await Promise.all([add('a'), add('b'), add('c')])
  const edge = await discovery.view('edge', { failedMs: 1_000 })
  const picks = (count: number): string =>
    Array.from({ length: count }, () => edge.pick()?.id ?? '-')
      .sort()
      .join('')
  expect(picks(6)).toBe('aabbcc')
  void a.withdraw({ graceMs: 100_000 })
  await clock.advance(10)
  expect(picks(4)).toBe('bbcc')
  edge.report('b', 'failed')
  expect(picks(4)).toBe('cccc')
  await clock.advance(1_000)
  expect(picks(4)).toBe('bbcc')
  edge.report('b', 'failed')
  await clock.advance(1_999)
  expect(picks(2)).toBe('cc')
  edge.report('c', 'failed')
  expect(picks(4)).toBe('bbcc')
  edge.report('b', 'succeeded')
  expect(picks(2)).toBe('bb')
  await end()
})

test('with nobody there, nobody is picked', async () => {
  const { discovery, end } = await setUp()
  const edge = await discovery.view('nobody')
  expect([edge.instances(), edge.pick()]).toEqual([[], undefined])
  await end()
})

test('a new life of an instance forgets its failures', async () => {
  const { clock, discovery, add, end } = await setUp()
  const [a] = await Promise.all([add('a'), add('b')])
  const edge = await discovery.view('edge')
  edge.report('a', 'failed')
  await a.withdraw()
  await add('a')
  await clock.advance(10)
  expect([edge.pick()?.id, edge.pick()?.id].sort()).toEqual(['a', 'b'])
  await end()
})

test('views are shared, opened once, and the least recently asked for is closed', async () => {
  const { clock, memory, discovery, end } = await setUp({ maxServices: 2 })
  const [one, same] = await Promise.all([discovery.view('1'), discovery.view('1')])
  expect(one).toBe(same)
  expect(await discovery.view('1', { maxStaleMs: 500 })).not.toBe(one)
  const two = await discovery.view('2')
  await clock.advance(1)
  expect([one.status, two.status, (await discovery.view('2')) === two]).toEqual(['closed', 'connected', true])
  expect(memory.stats?.()['store_watches']?.value).toBe(2)
  expect((await discovery.view('1')).status).toBe('connected')
  await discovery.close()
  await expect(discovery.view('1')).rejects.toMatchObject({ code: 'DISCOVERY_CLOSED' })
  expect(memory.stats?.()['store_watches']?.value).toBe(0)
  await end()
})

test('a view that could not be opened is tried again at the next call', async () => {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const store = withFaults(memory, { clock })
  const discovery = createDiscovery(store, { clock })
  store.partition()
  const failing = discovery.view('edge', { openTimeoutMs: 1_000 }).catch((error: unknown) => error)
  await clock.advance(2_000)
  expect(await failing).toMatchObject({ code: 'STORE_UNAVAILABLE' })
  store.heal()
  expect((await discovery.view('edge', { openTimeoutMs: 1_000 })).status).toBe('connected')
  await discovery.close()
  await store.close()
})

test('a store that cannot be reached: everything stays, as suspect, until it is current again', async () => {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const session = await openSession(memory, { clock })
  await register(session, { service: 'edge', id: 'a', incarnation: 1 }, 1)
  const store = withFaults(memory, { clock })
  const discovery = createDiscovery(store, { clock })
  const edge = await discovery.view('edge', { maxStaleMs: 2_000 })
  store.partition()
  await clock.advance(30_000)
  expect(edge.staleMs).toBeGreaterThan(29_000)
  expect(edge.pick()).toMatchObject({ id: 'a', suspect: true })
  store.heal()
  await clock.advance(10_000)
  expect(edge.staleMs).toBeLessThanOrEqual(2_000)
  expect(edge.pick()).toMatchObject({ id: 'a', suspect: false })
  await discovery.close()
  await session.close()
  await store.close()
})

test('self-preservation: too many vanished stay as suspects until a read after the window', async () => {
  const { clock, memory, discovery, add, session, end } = await setUp()
  const other = await openSession(memory, { clock })
  await Promise.all(['a', 'b', 'c'].map((id) => add(id)))
  await register(other, { service: 'edge', id: 'd', incarnation: 1 }, 'd')
  const edge = await discovery.view('edge', { preserve: 0.5, preserveWindowMs: 5_000 })
  const plain = await discovery.view('edge')
  const seen: string[] = []
  edge.on('changed', (change) => seen.push(summary(change)))
  await session.close()
  await clock.advance(100)
  expect(ids(plain.instances())).toBe('d')
  expect(edge.instances().map(({ id, suspect }) => `${id}${suspect ? '?' : ''}`)).toEqual([
    'a?',
    'b?',
    'c?',
    'd',
  ])
  await register(other, { service: 'edge', id: 'b', incarnation: 2 }, 'b')
  await clock.advance(1_000)
  expect(edge.get('b')).toMatchObject({ suspect: false, incarnation: 2 })
  await clock.advance(5_000)
  expect(ids(edge.instances())).toBe('b,d')
  expect(seen).toEqual(['+ ~a,b,c -', '+ ~b -', '+ ~ -a,c'])
  await other.close()
  await end()
})

test('self-preservation does not mind few, nor those who said good-bye', async () => {
  const { clock, discovery, add, end } = await setUp()
  const all = await Promise.all(['a', 'b', 'c', 'd'].map((id) => add(id)))
  const edge = await discovery.view('edge', { preserve: 0.5 })
  await all[0]!.withdraw()
  await clock.advance(10)
  expect(ids(edge.instances())).toBe('b,c,d')
  for (const registration of all.slice(1)) void registration.withdraw({ graceMs: 1_000 })
  await clock.advance(2_000)
  expect(edge.instances()).toEqual([])
  await end()
})

test('options are checked', async () => {
  const { discovery, memory, end } = await setUp()
  expect(() => createDiscovery(memory, { maxServices: 0 })).toThrow(/maxServices/)
  await expect(discovery.view('')).rejects.toThrow(/service/)
  await expect(discovery.view('x', { preserve: 2 })).rejects.toThrow(/preserve/)
  await expect(discovery.view('x', { failedMs: -1 })).rejects.toThrow(/failedMs/)
  await expect(discovery.view('x', { decode: 1 as never })).rejects.toThrow(/decode/)
  await end()
})
