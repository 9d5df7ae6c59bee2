import {
  type CoordinationStore,
  coordinationError,
  createMemoryStore,
  type MemoryStore,
} from '@holdfast/coordination'
import { withFaults } from '@holdfast/coordination/testing'
import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { openSession, type Session } from '../session/session.ts'
import { type Election, readLeader, startElection, type Term } from './election.ts'
import { acquireLock } from './lock.ts'

interface World {
  clock: FakeClock
  memory: MemoryStore
  log: string[]
  open(store?: CoordinationStore): Promise<Session>
  /** Leads until told to end. */
  stand(session: Session, who: string): Election
  end(): Promise<void>
}

function setUp(): World {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const log: string[] = []
  const sessions: Session[] = []
  return { clock, memory, log, open, stand, end }

  async function open(store: CoordinationStore = memory): Promise<Session> {
    const session = await openSession(store, { clock, random: createSeededRandom(sessions.length + 1) })
    sessions.push(session)
    return session
  }

  function stand(session: Session, who: string): Election {
    const lead = async (term: Term): Promise<void> => {
      log.push(`${who} leads`)
      await clock.sleep(Number.POSITIVE_INFINITY, term.signal)
      log.push(`${who} ends`)
    }
    return startElection(session, 'compactor', lead, { value: who })
  }

  async function end(): Promise<void> {
    await Promise.all(sessions.map((session) => session.close()))
    await memory.close()
    expect(clock.sleepers).toBe(0)
  }
}

test('one of many leads; the next one begins after it has resigned', async () => {
  const { clock, memory, log, open, stand, end } = setUp()
  const [a, b] = [stand(await open(), 'a'), stand(await open(), 'b')]
  await clock.advance(100)
  expect([log, a.isLeader(), b.isLeader()]).toEqual([['a leads'], true, false])
  expect(await readLeader(memory, 'compactor')).toEqual({ token: a.term?.token, value: 'a' })
  const first = a.term!.token
  await a.resign()
  await clock.advance(100)
  expect(log).toEqual(['a leads', 'a ends', 'b leads'])
  expect(b.term!.token).toBeGreaterThan(first)
  await b.close()
  await clock.advance(100)
  expect(log.slice(3)).toEqual(['b ends', 'a leads'])
  await end()
  expect(log.at(-1)).toBe('a ends')
})

test('who steps back queues up only after the next one was confirmed, which would wait for that write', async () => {
  const { clock, memory, open, stand, end } = setUp()
  const writes: string[] = []
  let isSlow = true
  const told = (who: string, onTheWayMs: number): CoordinationStore => ({
    ...memory,
    transact: async (transaction, options) => {
      if (isSlow) await clock.sleep(onTheWayMs, options?.signal)
      for (const { kind } of transaction.then) writes.push(`${who} ${kind}`)
      return memory.transact(transaction, options)
    },
  })
  const a = stand(await open(told('a', 5)), 'a')
  await clock.advance(100)
  stand(await open(told('b', 8)), 'b')
  await clock.advance(100)
  writes.length = 0
  const resigning = a.resign()
  await clock.advance(100)
  await resigning
  expect(writes).toEqual(['a delete', 'b range', 'a put'])
  isSlow = false
  await end()
})

test('a lost session ends the term at once, and the next leader begins only after the server gave the key away', async () => {
  const { clock, memory, log, open, stand, end } = setUp()
  let isCut = false
  const cut = <T>(call: () => Promise<T>): Promise<T> =>
    isCut ? Promise.reject(coordinationError('STORE_UNAVAILABLE', 'cut')) : call()
  const a = stand(
    await open({
      ...memory,
      keepAlive: (id) => cut(() => memory.keepAlive(id)),
      transact: (transaction) => cut(() => memory.transact(transaction)),
      grantLease: (ttlMs) => cut(() => memory.grantLease(ttlMs)),
      revokeLease: (id) => cut(() => memory.revokeLease(id)),
    }),
    'a',
  )
  const b = stand(await open(), 'b')
  await clock.advance(100)
  const { signal, guard } = a.term!
  isCut = true
  await clock.advance(7_950)
  expect([a.isLeader(), signal.aborted, log]).toEqual([false, true, ['a leads', 'a ends']])
  await clock.advance(3_000)
  expect(b.isLeader()).toBe(true)
  isCut = false
  const write = { then: [{ kind: 'put', key: 'x', value: Buffer.from('stale') }] } as const
  expect((await memory.transact(guard(write))).succeeded).toBe(false)
  expect((await memory.transact(b.term!.guard(write))).succeeded).toBe(true)
  await end()
})

test.each(['delete', 'revoke', 'wipe'] as const)('an outside %s of the key ends the term', async (harm) => {
  const { clock, memory, open, stand, end } = setUp()
  const session = await open()
  const a = stand(session, 'a')
  await clock.advance(100)
  const { signal } = a.term!
  const [entry] = (await memory.range({ prefix: 'elections/' })).entries
  if (harm === 'delete') await memory.transact({ then: [{ kind: 'delete', at: { key: entry!.key } }] })
  if (harm === 'revoke') await memory.revokeLease(session.leaseId)
  if (harm === 'wipe') memory.wipe()
  // The watch is tried again within a second; the next renewal would come later.
  await clock.advance(1_000)
  expect(signal.aborted).toBe(true)
  await clock.advance(5_000)
  expect(a.isLeader()).toBe(true)
  await end()
})

test('a candidate whose key was deleted while it waited queues up again, and leads in its turn', async () => {
  const { clock, memory, open, stand, end } = setUp()
  const [a, b] = [stand(await open(), 'a'), stand(await open(), 'b')]
  await clock.advance(100)
  const waiting = (await memory.range({ prefix: 'elections/' })).entries[1]!
  await memory.transact({ then: [{ kind: 'delete', at: { key: waiting.key } }] })
  await clock.advance(1_000)
  expect([a.isLeader(), b.isLeader()]).toEqual([true, false])
  await a.close()
  await clock.advance(100)
  expect(b.isLeader()).toBe(true)
  await end()
})

test('a candidacy whose answer was lost is found again, and is one candidacy', async () => {
  const { clock, memory, open, stand, end } = setUp()
  let lose = 1
  const a = stand(
    await open({
      ...memory,
      async transact(transaction) {
        const result = await memory.transact(transaction)
        if (lose-- > 0) throw coordinationError('STORE_UNAVAILABLE', 'the answer was lost')
        return result
      },
    }),
    'a',
  )
  await clock.advance(1_000)
  expect([a.isLeader(), (await memory.range({ prefix: 'elections/' })).count]).toEqual([true, 1])
  await end()
})

test("a candidacy that was given up and arrives late stands in nobody's way", async () => {
  const { clock, memory, log, open, stand, end } = setUp()
  const store = withFaults(memory, { clock, deadlineMs: 1_000 })
  const session = await open(store)
  store.delay({ minMs: 3_000, maxMs: 3_000 })
  const late = stand(session, 'late')
  await clock.advance(500)
  const closing = late.close()
  store.heal()
  await clock.advance(100)
  await closing
  const other = stand(await open(), 'other')
  await clock.advance(20_000)
  expect([log, other.isLeader(), session.epoch]).toEqual([['other leads'], true, 1])
  await end()
})

test('a candidacy that was asked for twice stays left, though the first request arrives last', async () => {
  const { clock, memory, open, stand, end } = setUp()
  let isFirst = true
  const session = await open({
    ...memory,
    async transact(transaction) {
      if (!isFirst) return memory.transact(transaction)
      isFirst = false
      void clock.sleep(2_000).then(() => memory.transact(transaction))
      throw coordinationError('STORE_UNAVAILABLE', 'nobody answered')
    },
  })
  const twice = stand(session, 'twice')
  await clock.advance(1_000)
  expect(twice.isLeader()).toBe(true)
  await twice.close()
  await clock.advance(2_000)
  const other = stand(await open(), 'other')
  await clock.advance(1_000)
  expect([other.isLeader(), session.epoch]).toEqual([true, 1])
  await end()
})

test('a key that was deleted before its candidate could know begins no term', async () => {
  const { clock, memory, log, open, stand, end } = setUp()
  const a = stand(await open(), 'a')
  const store = withFaults(memory, { clock })
  stand(await open(store), 'b')
  await clock.advance(100)
  const waiting = (await memory.range({ prefix: 'elections/' })).entries[1]!
  store.delay({ minMs: 500, maxMs: 500 })
  void a.close()
  await clock.advance(50)
  await memory.transact({ then: [{ kind: 'delete', at: { key: waiting.key } }] })
  // It sees that it is first, and for a while not that it no longer stands.
  await clock.advance(540)
  expect(log).toEqual(['a leads', 'a ends'])
  store.heal()
  await clock.advance(10_000)
  expect(log).toEqual(['a leads', 'a ends', 'b leads'])
  await end()
})

test('a guard of a resigned term is refused, however it left', async () => {
  const { clock, memory, open, stand, end } = setUp()
  const store = withFaults(memory, { clock })
  const session = await open(store)
  store.loseNext('answer', 'transact')
  const a = stand(session, 'a')
  await clock.advance(10_000)
  const { guard } = a.term!
  const write = { then: [{ kind: 'put', key: 'x', value: Buffer.from('1') }] } as const
  expect((await memory.transact(guard(write))).succeeded).toBe(true)
  await a.close()
  expect((await memory.transact(guard(write))).succeeded).toBe(false)
  await end()
})

test('a term that fails is handed over, and told', async () => {
  const { clock, open, stand, end } = setUp()
  let runs = 0
  const failing = startElection(await open(), 'compactor', async () => {
    runs += 1
    throw new Error('cannot lead')
  })
  const ended: unknown[] = []
  failing.on('ended', (_, error) => ended.push(error))
  const b = stand(await open(), 'b')
  await clock.advance(1_000)
  expect([runs, b.isLeader()]).toEqual([1, true])
  expect(ended).toMatchObject([{ message: 'cannot lead' }])
  await b.close()
  await clock.advance(60_000)
  expect(runs).toBeGreaterThan(3)
  expect(runs).toBeLessThan(20)
  await end()
})

test('a term that does not stop keeps others from starting, when resigned', async () => {
  const { clock, log, open, stand, end } = setUp()
  let stop = (): void => {}
  const a = startElection(await open(), 'compactor', () => new Promise((resolve) => (stop = resolve)))
  stand(await open(), 'b')
  await clock.advance(100)
  const resigning = a.resign()
  await clock.advance(60_000)
  expect([a.isLeader(), log]).toEqual([false, []])
  stop()
  await clock.advance(100)
  await resigning
  expect(log).toEqual(['b leads'])
  await end()
})

test('closing the session waits for the term before it revokes', async () => {
  const { clock, memory, open, end } = setUp()
  const session = await open()
  let found: number | undefined
  startElection(session, 'compactor', async (term) => {
    await clock.sleep(Number.POSITIVE_INFINITY, term.signal)
    await clock.sleep(1_000)
    found = (await memory.range({ prefix: 'elections/' })).count
  })
  await clock.advance(100)
  const closing = session.close()
  await clock.advance(2_000)
  await closing
  expect(found).toBe(1)
  expect((await memory.range({ prefix: 'elections/' })).count).toBe(0)
  await end()
})

test('closing before it was ever elected leaves no candidate', async () => {
  const { clock, memory, open, stand, end } = setUp()
  stand(await open(), 'a')
  const b = stand(await open(), 'b')
  await clock.advance(100)
  await b.close()
  await clock.advance(100)
  expect((await memory.range({ prefix: 'elections/' })).count).toBe(1)
  await end()
})

test('a lock is held by one at a time, in the order of asking, with a rising token', async () => {
  const { clock, open, end } = setUp()
  const sessions = [await open(), await open()]
  const order: number[] = []
  const tokens: number[] = []
  let holders = 0
  const work = async (n: number): Promise<void> => {
    await using lock = await acquireLock(sessions[n % 2]!, 'job')
    holders += 1
    expect([holders, lock.isHeld()]).toEqual([1, true])
    order.push(n)
    tokens.push(lock.token)
    await clock.sleep(100)
    holders -= 1
  }
  const all = Promise.all([0, 1, 2, 3].map(work))
  await clock.advance(5_000)
  await all
  expect(order).toEqual([0, 1, 2, 3])
  expect(tokens).toEqual([...tokens].sort((left, right) => left - right))
  await end()
})

test('waiting for a lock can be aborted, and leaves the line', async () => {
  const { clock, memory, open, end } = setUp()
  const session = await open()
  const held = await acquireLock(session, 'job')
  const stop = new AbortController()
  const waiting = acquireLock(session, 'job', { signal: stop.signal }).catch((error: unknown) => error)
  await clock.advance(100)
  stop.abort(new Error('enough'))
  await clock.advance(100)
  expect(await waiting).toMatchObject({ message: 'enough' })
  expect((await memory.range({ prefix: 'locks/' })).count).toBe(1)
  await held.release()
  await held.release()
  expect([held.isHeld(), held.signal.reason]).toMatchObject([false, { code: 'LOCK_RELEASED' }])
  expect((await memory.range({ prefix: 'locks/' })).count).toBe(0)
  await end()
})

test('names are checked', async () => {
  const { open, end } = setUp()
  const session = await open()
  expect(() => startElection(session, '', async () => {})).toThrow(/name/)
  expect(() => startElection(session, 'x', undefined as never)).toThrow(/runTerm/)
  await expect(acquireLock(session, '')).rejects.toThrow(/name/)
  await end()
})

test('a key that was left, and that a restored backup has again, is removed: it would keep everyone from leading', async () => {
  const { clock, memory, log, stand, end } = setUp()
  // With a key of its own in the backup, and renewed soon enough, the lease survives it.
  const session = await openSession(memory, { clock, ttlMs: 4_000 })
  await memory.transact({
    then: [{ kind: 'put', key: 'kept', value: new Uint8Array(), leaseId: session.leaseId }],
  })
  const a = stand(session, 'a')
  await clock.advance(100)
  const backup = memory.stats?.()['store_revision']?.value ?? 0
  const left = (await memory.range({ prefix: 'elections/' })).entries[0]!.key
  await a.resign()
  await clock.advance(100)
  expect(log).toEqual(['a leads', 'a ends', 'a leads'])
  memory.rollback(backup)
  await clock.advance(5_000)
  const { entries } = await memory.range({ prefix: 'elections/' })
  expect(entries.map(({ key }) => key)).not.toContain(left)
  expect([a.isLeader(), session.epoch]).toEqual([true, 1])
  await session.close()
  await end()
})
