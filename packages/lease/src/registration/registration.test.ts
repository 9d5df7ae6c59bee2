import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CoordinationStore,
  coordinationError,
  createMemoryStore,
  type Entry,
} from '@holdfast/coordination'
import { withFaults } from '@holdfast/coordination/testing'
import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { openSession, type Session } from '../session/session.ts'
import { decodeRecord, encodeRecord } from './record.ts'
import { register } from './registration.ts'

const clock = createFakeClock()

function setUp(): {
  memory: ReturnType<typeof createMemoryStore>
  session: (store?: CoordinationStore) => Promise<Session>
} {
  const memory = createMemoryStore({ clock })
  let seed = 0
  return {
    memory,
    session: (store = memory) => openSession(store, { clock, random: createSeededRandom(++seed) }),
  }
}

const edge = (incarnation = 1, id = 'a') => ({ service: 'edge', id, incarnation })
const key = 'services/edge/a'

async function stored(store: CoordinationStore, at = key): Promise<Entry | undefined> {
  return (await store.range({ key: at })).entries[0]
}

async function remove(store: CoordinationStore): Promise<void> {
  await store.transact({ then: [{ kind: 'delete', at: { key } }] })
}

async function metadataIn(store: CoordinationStore): Promise<unknown> {
  const entry = await stored(store)
  return entry && decodeRecord(entry.key, entry.value).metadata
}

/** Answers of `transact` can be lost after the store has applied it. */
function losingAnswers(store: CoordinationStore): CoordinationStore & { lose: number } {
  const losing = {
    ...store,
    lose: 0,
    async transact(...args: Parameters<CoordinationStore['transact']>) {
      const result = await store.transact(...args)
      if (losing.lose-- > 0) throw coordinationError('STORE_UNAVAILABLE', 'the answer was lost')
      return result
    },
  }
  return losing
}

test('a registration stands with the lease of its session, and goes with it', async () => {
  const { memory, session } = setUp()
  const mine = await session()
  const registration = await register(mine, edge(), { port: 80 })
  const entry = await stored(memory)
  expect(entry?.leaseId).toBe(mine.leaseId)
  expect(decodeRecord(key, entry!.value)).toMatchObject({
    incarnation: 1,
    draining: false,
    metadata: { port: 80 },
  })
  expect([registration.key, registration.status]).toEqual([key, 'registered'])
  await mine.close()
  expect(await stored(memory)).toBeUndefined()
  expect(registration.status).toBe('withdrawn')
  await registration.exited
  await memory.close()
})

test.each(['delete', 'revoke', 'overwrite', 'wipe'] as const)('an outside %s is repaired', async (harm) => {
  const { memory, session } = setUp()
  const mine = await session()
  await register(mine, edge(), { port: 80 })
  await clock.advance(10)
  if (harm === 'delete') await memory.transact({ then: [{ kind: 'delete', at: { key } }] })
  if (harm === 'revoke') await memory.revokeLease(mine.leaseId)
  if (harm === 'overwrite') await memory.transact({ then: [{ kind: 'put', key, value: Buffer.from('{') }] })
  if (harm === 'wipe') memory.wipe()
  // Less than the time to the next renewal: it is the watch that saw it.
  await clock.advance(1_000)
  expect(await metadataIn(memory)).toEqual({ port: 80 })
  expect((await stored(memory))?.leaseId).toBe(mine.leaseId)
  expect(mine.isHeld()).toBe(true)
  await mine.close()
  await memory.close()
})

/** Tells what is asked of a store, in order. */
function telling(store: CoordinationStore, calls: string[]): CoordinationStore {
  const tell = <T>(call: string, answer: Promise<T>): Promise<T> => {
    calls.push(call)
    return answer
  }
  return {
    ...store,
    transact: (...args) => tell('transact', store.transact(...args)),
    grantLease: (...args) => tell('grant', store.grantLease(...args)),
    keepAlive: (...args) => tell('renew', store.keepAlive(...args)),
    revokeLease: (...args) => tell('revoke', store.revokeLease(...args)),
  }
}

test.each([1, 300])('%i keys that vanish with their lease: nothing is done in vain', async (count) => {
  const { memory, session } = setUp()
  const calls: string[] = []
  const mine = await session(telling(memory, calls))
  const ids = Array.from({ length: count }, (_, index) => `${index}`)
  await Promise.all(ids.map((id) => register(mine, edge(1, id), { id })))
  await clock.advance(100)
  calls.length = 0
  await memory.revokeLease(mine.leaseId)
  await clock.advance(1_000)
  const puts = Array.from({ length: Math.ceil(count / 128) }, () => 'transact')
  expect(calls).toEqual(['renew', 'grant', ...puts])
  expect([mine.epoch, (await memory.range({ prefix: 'services/' })).count]).toEqual([2, count])
  await mine.close()
  await memory.close()
})

test('a key that vanishes alone is put again with the lease, once that is known to live', async () => {
  const { memory, session } = setUp()
  const calls: string[] = []
  const mine = await session(telling(memory, calls))
  await register(mine, edge(), 1)
  for (let times = 0; times < 2; times += 1) {
    await clock.advance(100)
    calls.length = 0
    await remove(memory)
    await clock.advance(100)
    expect([calls, mine.epoch, await metadataIn(memory)]).toEqual([['renew', 'transact'], 1, 1])
  }
  calls.length = 0
  // What is written over tells nothing of the lease.
  await memory.transact({ then: [{ kind: 'put', key, value: Buffer.from('{') }] })
  await clock.advance(100)
  expect([calls, await metadataIn(memory)]).toEqual([['transact'], 1])
  await mine.close()
  await memory.close()
})

test('a key that vanishes while renewals are not answered is put again all the same', async () => {
  const { memory, session } = setUp()
  const store = withFaults(memory.connect(), { clock })
  const mine = await session(store)
  await register(mine, edge(), 1)
  await clock.advance(100)
  store.loseNext('answer', 'keepAlive')
  await remove(memory)
  // A third of the lease is what a renewal is waited for.
  await clock.advance(3_400)
  expect([mine.epoch, await metadataIn(memory)]).toEqual([1, 1])
  await mine.close()
  await memory.close()
})

test('closing does not wait for what a key that vanished made it ask', async () => {
  const { memory, session } = setUp()
  const store = withFaults(memory.connect(), { clock })
  const before = clock.sleepers
  const mine = await session(store)
  await register(mine, edge(), 1)
  await clock.advance(100)
  store.loseNext('answer', 'keepAlive')
  await remove(memory)
  await clock.advance(10)
  await mine.close()
  await store.close()
  await memory.close()
  expect(clock.sleepers).toBeLessThanOrEqual(before)
})

test('what was registered comes back after a loss, without ever having disappeared', async () => {
  const { memory, session } = setUp()
  let isCut = false
  const mine = await session({
    ...memory,
    keepAlive: (id) =>
      isCut ? Promise.reject(coordinationError('STORE_UNAVAILABLE', 'cut')) : memory.keepAlive(id),
  })
  const restored: unknown[] = []
  mine.on('restored', (what) => restored.push(what))
  await register(mine, edge(), { port: 80 })
  const created = (await stored(memory))?.createRevision
  isCut = true
  await clock.advance(8_000)
  isCut = false
  await clock.advance(1_000)
  expect(restored).toEqual([{ epoch: 2, registrations: 1 }])
  const entry = await stored(memory)
  expect([entry?.leaseId, entry?.createRevision]).toEqual([mine.leaseId, created])
  await mine.close()
  await memory.close()
})

test('more than 128 registrations are put in few transactions, and put again after a loss', async () => {
  const { memory, session } = setUp()
  const mine = await session()
  const ids = Array.from({ length: 300 }, (_, index) => `${index}`)
  const before = (await memory.range({ key: 'none' })).revision
  await Promise.all(ids.map((id) => register(mine, edge(1, id), { id })))
  expect((await memory.range({ key: 'none' })).revision - before).toBe(3)
  await memory.revokeLease(mine.leaseId)
  await clock.advance(1_000)
  expect((await memory.range({ prefix: 'services/edge/' })).count).toBe(300)
  expect(mine.epoch).toBe(2)
  await mine.close()
  await memory.close()
})

test('two processes with one id: the same incarnation is a conflict', async () => {
  const { memory, session } = setUp()
  const [first, second] = [await session(), await session(memory.connect())]
  await register(first, edge(), 'first')
  await expect(register(second, edge(), 'second')).rejects.toMatchObject({
    code: 'REGISTRATION_CONFLICT',
    retryable: true,
  })
  await expect(register(second, edge(0), 'older')).rejects.toMatchObject({ code: 'REGISTRATION_CONFLICT' })
  expect(await metadataIn(memory)).toBe('first')
  await first.close()
  await register(second, edge(), 'second')
  expect(await metadataIn(memory)).toBe('second')
  await second.close()
  await memory.close()
})

test('two processes with one id: the higher incarnation takes over, the other is superseded and never contests', async () => {
  const { memory, session } = setUp()
  const [first, second] = [await session(), await session(memory.connect())]
  const old = await register(first, edge(1), 'old')
  const superseded: unknown[] = []
  old.on('superseded', (error) => superseded.push(error))
  await clock.advance(10)
  await register(second, edge(2), 'new')
  await clock.advance(10)
  expect(superseded).toMatchObject([{ code: 'REGISTRATION_SUPERSEDED', fields: { key } }])
  expect(old.status).toBe('superseded')
  await expect(old.exited).rejects.toMatchObject({ code: 'REGISTRATION_SUPERSEDED' })
  await expect(old.update(() => 'back')).rejects.toMatchObject({ code: 'REGISTRATION_SUPERSEDED' })
  const { revision } = await memory.range({ key })
  await memory.revokeLease(first.leaseId)
  await clock.advance(60_000)
  await old.withdraw()
  await first.close()
  expect((await memory.range({ key })).revision).toBe(revision)
  expect(await metadataIn(memory)).toBe('new')
  await second.close()
  await memory.close()
})

test('an old incarnation that wakes up after a partition neither overwrites nor removes the newer one', async () => {
  const { memory, session } = setUp()
  const second = await session()
  let isCut = false
  const cut = <T>(call: () => Promise<T>): Promise<T> =>
    isCut ? Promise.reject(coordinationError('STORE_UNAVAILABLE', 'cut')) : call()
  const first = await session({
    ...memory,
    transact: (transaction) => cut(() => memory.transact(transaction)),
    keepAlive: (id) => cut(() => memory.keepAlive(id)),
    grantLease: (ttlMs) => cut(() => memory.grantLease(ttlMs)),
    // Its watch sees nothing either.
    watch: () => new Promise(() => {}),
  })
  const old = await register(first, edge(1), 'old')
  isCut = true
  const updated = old.update(() => 'older still').catch((error: unknown) => error)
  await clock.advance(20_000)
  await register(second, edge(2), 'new')
  isCut = false
  await clock.advance(10_000)
  expect(await metadataIn(memory)).toBe('new')
  expect(old.status).toBe('superseded')
  expect(await updated).toMatchObject({ code: 'REGISTRATION_CONFLICT' })
  await first.close()
  expect(await metadataIn(memory)).toBe('new')
  await second.close()
  await memory.close()
})

test('a transaction applied whose answer was cut is recognized as our own', async () => {
  const { memory, session } = setUp()
  const store = losingAnswers(memory)
  const mine = await session(store)
  store.lose = 1
  const registering = register(mine, edge(), 1)
  await clock.advance(100)
  const registration = await registering
  store.lose = 1
  const updating = registration.update((n) => n + 1)
  await clock.advance(100)
  await updating
  expect([await metadataIn(memory), registration.metadata]).toEqual([2, 2])
  store.lose = 1
  const leaving = registration.withdraw()
  await clock.advance(100)
  await leaving
  expect(await stored(memory)).toBeUndefined()
  await mine.close()
  await memory.close()
})

test('updates are in order, and each sees the one before', async () => {
  const { memory, session } = setUp()
  const mine = await session()
  const registration = await register(mine, edge(), { hits: 0, weight: 1 })
  await Promise.all(
    Array.from({ length: 50 }, () => registration.update((m) => ({ ...m, hits: m.hits + 1 }))),
  )
  expect(await metadataIn(memory)).toEqual({ hits: 50, weight: 1 })
  await mine.close()
  await memory.close()
})

test('withdrawing marks, waits, and removes', async () => {
  const { memory, session } = setUp()
  const mine = await session()
  const registration = await register(mine, edge(), 1)
  const leaving = registration.withdraw({ graceMs: 2_000 })
  await clock.advance(1_999)
  const marked = await stored(memory)
  expect(decodeRecord(key, marked!.value).draining).toBe(true)
  expect(registration.status).toBe('draining')
  await clock.advance(1)
  await leaving
  expect([await stored(memory), registration.status]).toEqual([undefined, 'withdrawn'])
  await registration.close()
  await expect(registration.update(() => 2)).rejects.toMatchObject({ code: 'REGISTRATION_WITHDRAWN' })
  await clock.advance(60_000)
  expect(await stored(memory)).toBeUndefined()
  const again = await register(mine, edge(), 2)
  expect(again.status).toBe('registered')
  await mine.close()
  await memory.close()
})

test('an abort ends the grace, and the instance is removed all the same', async () => {
  const { memory, session } = setUp()
  const mine = await session()
  const registration = await register(mine, edge(), 1)
  const stop = new AbortController()
  const leaving = registration
    .withdraw({ graceMs: 60_000, signal: stop.signal })
    .catch((error: unknown) => error)
  await clock.advance(10)
  stop.abort(new Error('enough'))
  expect(await leaving).toMatchObject({ message: 'enough' })
  await clock.advance(10)
  expect(await stored(memory)).toBeUndefined()
  await mine.close()
  await memory.close()
})

test('registering that is aborted leaves nothing behind, even where the store had applied it', async () => {
  const { memory, session } = setUp()
  const store = losingAnswers(memory)
  const mine = await session(store)
  store.lose = 1
  const stop = new AbortController()
  const registering = register(mine, edge(), 1, { signal: stop.signal }).catch((error: unknown) => error)
  await clock.advance(0)
  stop.abort(new Error('enough'))
  expect(await registering).toMatchObject({ message: 'enough' })
  expect(await stored(memory)).toBeDefined()
  await clock.advance(100)
  expect(await stored(memory)).toBeUndefined()
  await mine.close()
  await memory.close()
})

test('a put that arrives after the withdrawal does not stay', async () => {
  const { memory, session } = setUp()
  const store = withFaults(memory, { clock, deadlineMs: 1_000 })
  const mine = await session(store)
  store.delay({ minMs: 3_000, maxMs: 3_000 })
  const stop = new AbortController()
  const registering = register(mine, edge(), 1, { signal: stop.signal }).catch((error: unknown) => error)
  await clock.advance(1_500)
  store.heal()
  stop.abort(new Error('enough'))
  await registering
  await clock.advance(1_000)
  expect(await stored(memory)).toBeUndefined()
  await clock.advance(10_000)
  // Two attempts arrived, and were undone.
  const { revision } = await memory.range({ key })
  expect([await stored(memory), revision, mine.epoch]).toEqual([undefined, 5, 1])
  const again = await register(mine, edge(), 2)
  expect([again.status, await metadataIn(memory)]).toEqual(['registered', 2])
  await mine.close()
  await memory.close()
})

test('a deletion in a gap is repaired, though to the watch of our own key nothing changed over the gap', async () => {
  const { memory, session } = setUp()
  const faulty = withFaults(memory.connect(), { clock })
  let isCut = false
  const store: CoordinationStore = {
    ...faulty,
    async watch(...args) {
      if (isCut) throw coordinationError('STORE_UNAVAILABLE', 'no watch for now')
      return await faulty.watch(...args)
    },
    async transact(...args) {
      if (isCut) faulty.breakWatches()
      return await faulty.transact(...args)
    },
  }
  const mine = await session(store)
  await register(mine, edge(), 0)
  await clock.advance(100)
  isCut = true // what the watch tells last is the deletion; of the repair it hears nothing
  await remove(memory)
  await clock.advance(1_000)
  expect(await metadataIn(memory)).toBe(0)
  await remove(memory)
  memory.compact()
  isCut = false
  await clock.advance(5_000)
  expect(await metadataIn(memory)).toBe(0)
  await mine.close()
})

test('what a restored backup lacks is put again, though the watch of our own key had not come so far', async () => {
  const { memory } = setUp()
  const faulty = withFaults(memory.connect(), { clock })
  let isCut = false
  const store: CoordinationStore = {
    ...faulty,
    async watch(...args) {
      if (isCut) throw coordinationError('STORE_UNAVAILABLE', 'no watch for now')
      return await faulty.watch(...args)
    },
  }
  // A restored lease lives for 2 s: so this one is renewed in time.
  const mine = await openSession(store, { ttlMs: 4_000, clock, random: createSeededRandom(1) })
  const registration = await register(mine, edge(), 0)
  await clock.advance(100)
  const { revision } = await memory.range({ key })
  isCut = true
  faulty.breakWatches()
  await registration.update(() => 1)
  memory.rollback(revision)
  expect(await metadataIn(memory)).toBe(0)
  isCut = false
  await clock.advance(5_000)
  expect([await metadataIn(memory), mine.epoch]).toEqual([1, 1])
  await mine.close()
})

test('an old event of our own key repairs nothing', async () => {
  const { memory, session } = setUp()
  const mine = await session({
    ...memory,
    async watch(...args) {
      const watch = await memory.watch(...args)
      async function* late() {
        for await (const batch of watch) {
          await clock.sleep(300)
          yield batch
        }
      }
      return { ...watch, [Symbol.asyncIterator]: late }
    },
  })
  const registration = await register(mine, edge(), 1)
  await clock.advance(100)
  await registration.update(() => 2)
  await clock.advance(100)
  await registration.update(() => 3)
  await clock.advance(5_000)
  expect(mine.stats()['lease_repairs_total']?.value).toBe(0)
  expect(await metadataIn(memory)).toBe(3)
  await mine.close()
  await memory.close()
})

test('after a wipe, what a newer incarnation put at the same revision is left alone', async () => {
  const { memory, session } = setUp()
  // Its watch tells it nothing.
  const mine = await session({ ...memory, watch: () => new Promise(() => {}) })
  const old = await register(mine, edge(1), 'old')
  const { modRevision } = (await stored(memory))!
  await clock.advance(100)
  memory.wipe()
  const value = encodeRecord({ owner: 'another', incarnation: 2, draining: false, metadata: 'new' })
  await memory.transact({ then: [{ kind: 'put', key, value }] })
  expect((await stored(memory))?.modRevision).toBe(modRevision)
  await clock.advance(10_000)
  expect([await metadataIn(memory), old.status]).toEqual(['new', 'superseded'])
  await mine.close()
  await memory.close()
})

test('one registration that the store refuses does not hold up the others', async () => {
  const { memory, session } = setUp()
  const mine = await session({
    ...memory,
    transact: (transaction) =>
      transaction.then.some((operation) => operation.kind === 'put' && operation.key.endsWith('/bad'))
        ? Promise.reject(coordinationError('STORE_REFUSED', 'no such key here'))
        : memory.transact(transaction),
  })
  const results = Promise.allSettled(['a', 'bad', 'b'].map((id) => register(mine, edge(1, id), id)))
  await clock.advance(1_000)
  expect((await results).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  await mine.close()
  await memory.close()
})

test('one identity is registered once in a session', async () => {
  const { memory, session } = setUp()
  const mine = await session()
  await register(mine, edge(), 1)
  await expect(register(mine, edge(2), 2)).rejects.toMatchObject({
    code: 'REGISTRATION_CONFLICT',
    retryable: false,
  })
  await mine.close()
  await expect(register(mine, edge(), 1)).rejects.toMatchObject({ code: 'SESSION_CLOSED' })
  await memory.close()
})

test('metadata is a copy, frozen, and checked at the door', async () => {
  const { memory, session } = setUp()
  const mine = await session()
  const given = { tags: ['x'] }
  const registration = await register(mine, edge(), given)
  given.tags.push('y')
  expect(registration.metadata).toEqual({ tags: ['x'] })
  expect(Object.isFrozen(registration.metadata.tags)).toBe(true)
  await expect(register(mine, edge(1, 'b'), undefined)).rejects.toThrow(TypeError)
  await expect(register(mine, edge(1, 'b'), 'x'.repeat(65_536))).rejects.toThrow(/65536 bytes/)
  await expect(register(mine, { ...edge(), service: '' }, 1)).rejects.toThrow(/service/)
  await expect(register(mine, edge(1, '\ud800'), 1)).rejects.toThrow(/id/)
  await expect(register(mine, edge(-1), 1)).rejects.toThrow(/incarnation/)
  await mine.close()
  await memory.close()
})

test('nothing is left after close', async () => {
  const { memory, session } = setUp()
  const before = clock.sleepers
  const mine = await session()
  await Promise.all(Array.from({ length: 20 }, (_, index) => register(mine, edge(1, `${index}`), index)))
  await clock.advance(100)
  await mine.close()
  expect(memory.stats?.()['store_watches']?.value).toBe(0)
  await memory.close()
  await clock.advance(1)
  expect(clock.sleepers).toBeLessThanOrEqual(before)
})

test('incarnations are counted in the state folder of the session, where none is named', async () => {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const stateFolder = await mkdtemp(join(tmpdir(), 'holdfast-session-'))
  const edge = { service: 'edge', id: 'a' }
  try {
    for (const expected of [1, 2]) {
      const session = await openSession(store, { clock, stateFolder })
      expect((await register(session, edge, {})).incarnation).toBe(expected)
      expect((await register(session, { ...edge, id: 'b', incarnation: 7 }, {})).incarnation).toBe(7)
      await session.close()
    }
    await using without = await openSession(store, { clock })
    await expect(register(without, edge, {})).rejects.toThrow(/incarnation .* stateFolder/)
  } finally {
    await rm(stateFolder, { recursive: true })
  }
})

test('a deletion that the watch tells of before our put is answered is repaired', async () => {
  const { memory, session } = setUp()
  let isLate = false
  const mine = await session({
    ...memory,
    async transact(...args) {
      const answer = await memory.transact(...args)
      if (isLate) await clock.sleep(500)
      return answer
    },
  })
  const registration = await register(mine, edge(), 0)
  await clock.advance(100)
  isLate = true
  const updated = registration.update(() => 1)
  await clock.advance(100)
  await remove(memory)
  await clock.advance(300)
  isLate = false
  await clock.advance(1_000)
  await updated
  expect(await metadataIn(memory)).toBe(1)
  await mine.close()
})
