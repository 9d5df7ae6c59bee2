import {
  type CoordinationStore,
  coordinationError,
  createMemoryStore,
  type MemoryStore,
} from '@holdfast/coordination'
import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import type { SessionOptions } from './options.ts'
import { sessionParts } from './parts.ts'
import { openSession, type Session } from './session.ts'

interface Bench {
  clock: FakeClock
  memory: MemoryStore
  session: Session
  log: string[]
}

async function open(
  options: SessionOptions = {},
  wrap = (store: CoordinationStore) => store,
): Promise<Bench> {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const session = await openSession(wrap(memory), { clock, random: createSeededRandom(1), ...options })
  const log: string[] = []
  session.on('lost', ({ epoch, reason }) => log.push(`lost ${epoch} ${reason} at ${clock.now()}`))
  session.on('restored', ({ epoch }) => log.push(`restored ${epoch}`))
  return { clock, memory, session, log }
}

/** A store that answers renewals as told; everything else as it is. */
function renewing(
  keepAlive: (store: CoordinationStore, leaseId: string) => ReturnType<CoordinationStore['keepAlive']>,
) {
  return (store: CoordinationStore): CoordinationStore => ({
    ...store,
    keepAlive: (leaseId) => keepAlive(store, leaseId),
  })
}

const never = new Promise<never>(() => {})

test('it is held for as long as renewals are answered', async () => {
  const { clock, session, log } = await open()
  expect([session.isHeld(), session.epoch, session.signal.aborted]).toEqual([true, 1, false])
  await clock.advance(600_000)
  expect([session.isHeld(), session.epoch, log]).toEqual([true, 1, []])
  expect(session.stats?.()['lease_renewals_total']?.value).toBe(180)
  await session.close()
})

test('the event loop blocked past the deadline: isHeld is false in the first line after, and the signal has aborted', async () => {
  const { clock, session, log } = await open()
  const { signal } = session
  clock.stall(7_999)
  expect(session.isHeld()).toBe(true)
  clock.stall(1)
  expect(session.isHeld()).toBe(false)
  expect(signal.aborted).toBe(true)
  await clock.advance(1_000)
  expect(log).toEqual(['lost 1 expired at 8000', 'restored 2'])
  await session.close()
})

test('the signal aborts at the deadline though nobody asks', async () => {
  const { clock, session } = await open(
    {},
    renewing(() => never),
  )
  const { signal } = session
  await clock.advance(7_999)
  expect(signal.aborted).toBe(false)
  await clock.advance(1)
  expect(signal.reason).toMatchObject({ code: 'SESSION_LOST', fields: { epoch: 1, reason: 'expired' } })
  await session.close()
})

test('a suspended host: isHeld is false in the first line after, and the signal follows by itself', async () => {
  const { clock, session } = await open()
  clock.suspend(8_000)
  const { signal } = session
  expect(session.isHeld()).toBe(false)
  await session.close()

  const other = await open()
  other.clock.suspend(8_000)
  expect(signal.aborted).toBe(true)
  await other.clock.advance(1_000)
  expect(other.log[0]).toBe('lost 1 expired at 1000')
  await other.session.close()
})

test('the wall clock is not consulted', async () => {
  const { clock, session } = await open()
  clock.setWall(0)
  expect(session.isHeld()).toBe(true)
  clock.setWall(9e15)
  expect(session.isHeld()).toBe(true)
  await clock.advance(60_000)
  expect(session.epoch).toBe(1)
  await session.close()
})

test('validity counts from when the renewal was sent, not from when it was answered', async () => {
  let calls = 0
  const slow = renewing(async (store, leaseId) => {
    calls += 1
    if (calls > 1) return never
    const grant = await store.keepAlive(leaseId)
    await bench.clock.sleep(2_000)
    return grant
  })
  const bench = await open({ ttlMs: 9_000 }, slow)
  await bench.clock.advance(10_199)
  expect(bench.session.isHeld()).toBe(true)
  await bench.clock.advance(1)
  expect(bench.log[0]).toBe('lost 1 expired at 10200')
  await bench.session.close()
})

test('a renewal that is answered after the deadline revives nothing', async () => {
  let answer = (): void => {}
  const late = renewing(
    (store, leaseId) =>
      new Promise((resolve) => {
        answer = () => resolve(store.keepAlive(leaseId))
      }),
  )
  const { clock, session } = await open({}, late)
  await clock.advance(3_400)
  const { signal } = session
  clock.stall(4_600)
  answer()
  // The answer is taken in before anybody asks, and before any timer of ours runs.
  for (let turns = 0; turns < 50; turns += 1) await Promise.resolve()
  expect(session.isHeld()).toBe(false)
  await clock.advance(0)
  expect([signal.aborted, session.epoch]).toEqual([true, 1])
  await session.close()
})

test('an outside revoke is one loss, told once, and a new epoch follows', async () => {
  const { clock, memory, session, log } = await open()
  const { signal } = session
  await memory.revokeLease(session.leaseId)
  await clock.advance(3_500)
  expect(signal.reason).toMatchObject({ code: 'SESSION_LOST', fields: { reason: 'revoked' } })
  expect(log.map((line) => line.split(' at')[0])).toEqual(['lost 1 revoked', 'restored 2'])
  expect([session.isHeld(), session.epoch]).toEqual([true, 2])
  await session.close()
})

test('after a loss the old lease is revoked, so that no ghost stays', async () => {
  let cut = false
  const { clock, memory, session } = await open(
    {},
    renewing((store, id) => (cut ? never : store.keepAlive(id))),
  )
  cut = true
  const ghost = session.leaseId
  await clock.advance(8_000)
  cut = false
  await clock.advance(1_000)
  expect(session.epoch).toBe(2)
  await expect(memory.keepAlive(ghost)).rejects.toMatchObject({ code: 'LEASE_NOT_FOUND' })
  await session.close()
})

test('a lease that may live is revoked after the loss, one that the store said is gone is not', async () => {
  const revoked: string[] = []
  let isCut = false
  const { clock, memory, session, log } = await open({}, (store) => ({
    ...store,
    keepAlive: (leaseId) => (isCut ? never : store.keepAlive(leaseId)),
    revokeLease(leaseId) {
      revoked.push(leaseId)
      return store.revokeLease(leaseId)
    },
  }))
  await memory.revokeLease(session.leaseId)
  await clock.advance(4_000)
  expect([log.at(-1), revoked]).toEqual(['restored 2', []])
  const silent = session.leaseId
  isCut = true
  await clock.advance(8_000)
  isCut = false
  await clock.advance(1_000)
  expect([log.at(-1), revoked]).toEqual(['restored 3', [silent]])
  const last = session.leaseId
  await session.close()
  expect(revoked).toEqual([silent, last])
})

test('of two renewals under way, the older one that is answered last takes nothing back', async () => {
  const slow = renewing(async (store, leaseId) => {
    const sentMs = bench.clock.now()
    if (sentMs > 4_000) return never
    const grant = await store.keepAlive(leaseId)
    if (sentMs === 3_000) await bench.clock.sleep(2_000)
    return grant
  })
  const bench = await open({ ttlMs: 9_000 }, slow)
  await bench.clock.advance(4_000)
  await bench.session[sessionParts].tenure().renewNow()
  await bench.clock.advance(7_200)
  expect(bench.log[0]).toBe('lost 1 expired at 11200')
  await bench.session.close()
})

test('a grant that took too long is not believed', async () => {
  let grants = 0
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const store: CoordinationStore = {
    ...memory,
    async grantLease(ttlMs) {
      grants += 1
      const grant = await memory.grantLease(ttlMs)
      if (grants === 1) clock.stall(9_000)
      return grant
    },
  }
  const opening = openSession(store, { clock })
  await clock.advance(1_000)
  const session = await opening
  expect([grants, session.epoch, session.isHeld()]).toEqual([2, 1, true])
  await session.close()
})

test('opening goes on while the store is unavailable, until its signal aborts', async () => {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const down = Object.assign(new Error('down'), { code: 'STORE_UNAVAILABLE' })
  const stop = new AbortController()
  const store: CoordinationStore = {
    ...memory,
    grantLease: () => Promise.reject(coordinationError('STORE_UNAVAILABLE', 'down')),
  }
  const opening = openSession(store, { clock, signal: stop.signal }).catch((error: unknown) => error)
  await clock.advance(60_000)
  stop.abort(down)
  expect(await opening).toBe(down)
  const denied: CoordinationStore = {
    ...memory,
    grantLease: () => Promise.reject(coordinationError('STORE_DENIED', 'no')),
  }
  await expect(openSession(denied, { clock })).rejects.toMatchObject({ code: 'STORE_DENIED' })
  expect(clock.sleepers).toBe(0)
})

test('close revokes the lease, tells no loss, and leaves no timer', async () => {
  const { clock, memory, session, log } = await open()
  const { signal, leaseId } = session
  await Promise.all([session.close(), session.close()])
  expect(signal.reason).toMatchObject({ code: 'SESSION_CLOSED' })
  await expect(memory.keepAlive(leaseId)).rejects.toMatchObject({ code: 'LEASE_NOT_FOUND' })
  await memory.close()
  await clock.advance(60_000)
  expect([log, clock.sleepers, session.isHeld()]).toEqual([[], 0, false])
})

test('close with a store that never answers ends within its deadline', async () => {
  const { clock, session } = await open({ closeTimeoutMs: 500 }, (store) => ({
    ...store,
    revokeLease: () => never,
  }))
  let isClosed = false
  void session.close().then(() => {
    isClosed = true
  })
  await clock.advance(499)
  expect(isClosed).toBe(false)
  await clock.advance(1)
  expect(isClosed).toBe(true)
})

test('close while a new lease is being asked for', async () => {
  let granted = 0
  const { clock, memory, session } = await open({}, (store) => ({
    ...store,
    grantLease: (ttlMs) => (granted++ === 0 ? store.grantLease(ttlMs) : never),
  }))
  await memory.revokeLease(session.leaseId)
  await clock.advance(4_000)
  expect(session.isHeld()).toBe(false)
  await session.close()
  await memory.close()
  expect(clock.sleepers).toBe(0)
})

test('a store that was closed under it ends the session', async () => {
  const { clock, memory, session } = await open()
  await memory.close()
  await clock.advance(20_000)
  await expect(session.exited).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  await session.close()
  expect(clock.sleepers).toBe(0)
})

test('a listener that throws everywhere harms nothing', async () => {
  const { clock, memory, session, log } = await open()
  const heard: string[] = []
  session.on('listenerError', (_, event) => heard.push(event))
  for (const event of ['lost', 'restored', 'failed'] as const)
    session.on(event, () => {
      throw new Error('a bad listener')
    })
  await memory.revokeLease(session.leaseId)
  await clock.advance(5_000)
  expect(session.isHeld()).toBe(true)
  expect(log).toHaveLength(2)
  expect(new Set(heard)).toEqual(new Set(['lost', 'restored', 'failed']))
  await session.close()
})

test('bad options are refused by name', async () => {
  const store = createMemoryStore({ clock: createFakeClock() })
  await expect(openSession(store, { ttlMs: 1_999 })).rejects.toThrow(/ttlMs/)
  await expect(openSession(store, { ttlMs: 4_000, marginMs: 2_001 })).rejects.toThrow(/marginMs/)
  await expect(openSession(store, { closeTimeoutMs: -1 })).rejects.toThrow(/closeTimeoutMs/)
  await expect(openSession({} as never)).rejects.toThrow(/store must have/)
})
