import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { createMemoryStore, type MemoryStore } from '../memory/memory-store.ts'
import { codeOf, put, readerOf, write } from './cases/case.ts'
import { type FaultyStore, withFaults } from './with-faults.ts'

interface Scene {
  clock: FakeClock
  memory: MemoryStore
  store: FaultyStore
}

function setUp(seed = 1): Scene {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const random = createSeededRandom(seed)
  return {
    clock,
    memory,
    store: withFaults(memory.connect(), { clock, random, deadlineMs: 1_000, silenceMs: 3_000 }),
  }
}

async function keysOf(memory: MemoryStore): Promise<string[]> {
  return (await memory.range({ prefix: '' })).entries.map(({ key }) => key)
}

test.each([
  ['both', []],
  ['requests', []],
  ['answers', ['a']],
] as const)(
  'a network cut for %s hangs a write until its deadline, with %j applied',
  async (cut, applied) => {
    const { clock, memory, store } = setUp()
    store.partition(cut)
    const code = codeOf(write(store, put('a')))
    let settled = false
    void code.then(() => {
      settled = true
    })
    await clock.advance(999)
    expect(settled).toBe(false)
    await clock.advance(1)
    expect(await code).toBe('STORE_UNAVAILABLE')
    expect(await keysOf(memory)).toEqual(applied)
    store.heal()
    expect(await codeOf(write(store, put('b')))).toBe('resolved')
  },
)

test('a watch falls silent where answers are cut, and goes on without a loss when that heals in time', async () => {
  const { clock, memory, store } = setUp()
  const reader = readerOf(await store.watch({ prefix: '' }), '')
  store.partition('answers')
  await write(memory, put('a', '1'))
  const told = reader.told(2)
  let heard = false
  void told.then(() => {
    heard = true
  })
  await clock.advance(2_999)
  await write(memory, put('a', '2'))
  expect(heard).toBe(false)
  store.heal()
  expect(await told).toEqual(['a put 1', 'a put 2'])
  await clock.advance(10_000)
  await write(memory, put('a', '3'))
  expect(await reader.told(1)).toEqual(['a put 3'])
})

test('a watch breaks when the network stays cut, and at once when told', async () => {
  const { clock, store } = setUp()
  const broken = readerOf(await store.watch({ prefix: '' }), '').next()
  const code = codeOf(broken)
  store.breakWatches()
  expect(await code).toBe('STORE_UNAVAILABLE')
  const cut = codeOf(readerOf(await store.watch({ prefix: '' }), '').next())
  store.partition()
  await clock.advance(3_000)
  expect(await cut).toBe('STORE_UNAVAILABLE')
  expect(store.stats?.()['store_watches']?.value).toBe(0)
})

test('a watch goes on where only requests are cut', async () => {
  const { memory, store } = setUp()
  const reader = readerOf(await store.watch({ prefix: '' }), '')
  store.partition('requests')
  await write(memory, put('a', '1'))
  expect(await reader.told(1)).toEqual(['a put 1'])
})

test('a watch whose opening was answered to nobody is closed', async () => {
  const { clock, memory, store } = setUp()
  store.loseNext('answer', 'watch')
  const code = codeOf(store.watch({ prefix: '' }))
  await clock.advance(1_000)
  expect(await code).toBe('STORE_UNAVAILABLE')
  expect(memory.stats?.()['store_watches']?.value).toBe(0)
})

test('delays requests, answers and batches, in order, and a write that was given up arrives later', async () => {
  const { clock, memory, store } = setUp()
  const reader = readerOf(await store.watch({ prefix: '' }), '')
  store.delay({ minMs: 600, maxMs: 1_500 })
  const code = codeOf(write(store, put('a', '1')))
  await clock.advance(599)
  expect(await keysOf(memory)).toEqual([])
  await clock.advance(401)
  expect(await code).toBe('STORE_UNAVAILABLE')
  await clock.advance(500)
  expect(await keysOf(memory)).toEqual(['a'])
  for (const value of ['2', '3', '4']) await write(memory, put('a', value))
  const told = reader.told(4)
  await clock.advance(1_500)
  expect(await told).toEqual(['a put 1', 'a put 2', 'a put 3', 'a put 4'])
})

test('what is under way when the network is cut does not arrive', async () => {
  const { clock, memory, store } = setUp()
  store.delay({ minMs: 500, maxMs: 500 })
  const code = codeOf(write(store, put('a')))
  await clock.advance(100)
  store.partition()
  await clock.advance(2_000)
  expect([await code, await keysOf(memory)]).toEqual(['STORE_UNAVAILABLE', []])
})

test('loses exactly the calls that it was told to', async () => {
  const { clock, memory, store } = setUp()
  store.loseNext('request', 'transact')
  store.loseNext('answer', 'transact')
  const codes = ['a', 'b', 'c'].map((key) => codeOf(write(store, put(key))))
  expect(await codeOf(store.range({ prefix: '' }))).toBe('resolved')
  await clock.advance(1_000)
  expect(await Promise.all(codes)).toEqual(['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE', 'resolved'])
  expect(await keysOf(memory)).toEqual(['b', 'c'])
})

test('loses by chance, the same for the same seed', async () => {
  const outcomes = await Promise.all([7, 7, 8].map(lossesOf))
  expect(outcomes[0]).toEqual(outcomes[1])
  expect(outcomes[0]).not.toEqual(outcomes[2])
  const lost = outcomes[0]!.filter((code) => code === 'STORE_UNAVAILABLE').length
  expect(lost).toBeGreaterThan(10)
  expect(lost).toBeLessThan(60)
})

async function lossesOf(seed: number): Promise<string[]> {
  const { clock, store } = setUp(seed)
  store.lose({ requests: 0.2, answers: 0.2, watches: 1 })
  const codes = Array.from({ length: 100 }, () => codeOf(store.range({ prefix: '' })))
  await clock.advance(1_000)
  return await Promise.all(codes)
}

test('a lossy network breaks watches', async () => {
  const { memory, store } = setUp()
  const reader = readerOf(await store.watch({ prefix: '' }), '')
  store.lose({ watches: 1 })
  await write(memory, put('a'))
  expect(await codeOf(reader.next())).toBe('STORE_UNAVAILABLE')
})

test('an abort ends the call while the network is cut, and closing ends all, leaving nothing', async () => {
  const { clock, memory, store } = setUp()
  const reason = new Error('enough')
  const abort = new AbortController()
  store.delay({ minMs: 100, maxMs: 100 })
  const aborted = store.range({ prefix: '' }, { signal: abort.signal }).catch((error: unknown) => error)
  abort.abort(reason)
  expect(await aborted).toBe(reason)
  const code = codeOf(write(store, put('a')))
  store.partition()
  await store.close()
  expect(await code).toBe('STORE_CLOSED')
  await clock.advance(10_000)
  expect([await keysOf(memory), clock.sleepers]).toEqual([[], 0])
})

test.each([
  () => setUp().store.partition('none' as never),
  () => setUp().store.delay({ minMs: 2, maxMs: 1 }),
  () => setUp().store.lose({ answers: 2 }),
  () => withFaults(setUp().memory, { deadlineMs: 0 }),
])('refuses bad options: %s', (bad) => {
  expect(bad).toThrow(/must be/)
})
