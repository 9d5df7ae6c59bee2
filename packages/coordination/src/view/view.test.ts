import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { describe, expect, test } from 'vitest'
import { createMemoryStore, type MemoryStore } from '../memory/memory-store.ts'
import type { CoordinationStore, Operation } from '../store.ts'
import type { ViewChange } from './change.ts'
import { openView } from './open-view.ts'
import type { ViewKnobs } from './options.ts'
import type { View } from './view.ts'

interface Bench {
  clock: FakeClock
  store: MemoryStore
  open(knobs?: ViewKnobs): Promise<View>
}

function setUp(): Bench {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  return { clock, store, open: (knobs) => openView(store, { prefix: 'a/', ...knobs, ...fixed(clock) }) }
}

function fixed(clock: FakeClock): Pick<ViewKnobs, 'clock' | 'random'> {
  return { clock, random: createSeededRandom(1) }
}

function write(store: CoordinationStore, ...operations: Operation[]): Promise<unknown> {
  return store.transact({ then: operations })
}

const put = (key: string, text = key): Operation => ({
  kind: 'put',
  key,
  value: new TextEncoder().encode(text),
})
const remove = (key: string): Operation => ({ kind: 'delete', at: { key } })

const text = new TextDecoder()
const shown = (view: View): string[] => view.entries().map(({ key, value }) => `${key}=${text.decode(value)}`)
const told = ({ revision, keys, resync }: ViewChange): string =>
  [`${revision}:`, ...keys.map(({ kind, key }) => `${kind} ${key}`), ...(resync ? [resync] : [])].join(' ')

function record(view: View): string[] {
  const heard: string[] = []
  view.on('changed', (change) => heard.push(told(change)))
  view.on('connected', () => heard.push('connected'))
  view.on('disconnected', () => heard.push('disconnected'))
  view.on('stale', () => heard.push('stale'))
  view.on('current', () => heard.push('current'))
  return heard
}

describe('a view', () => {
  test('shows a snapshot, then each revision at once and in order', async () => {
    const { clock, store, open } = setUp()
    await write(store, put('a/2'), put('b'), put('a/1'))
    await using view = await open()
    expect(shown(view)).toEqual(['a/1=a/1', 'a/2=a/2'])
    const heard = record(view)
    await write(store, put('a/3'), remove('a/1'))
    await write(store, put('b', 'elsewhere'))
    await write(store, put('a/3', 'new'))
    await clock.advance(0)
    expect(heard).toEqual(['3: added a/3 removed a/1', '5: changed a/3'])
    expect(shown(view)).toEqual(['a/2=a/2', 'a/3=new'])
    expect([view.size, view.revision, view.get('a/3')?.version]).toEqual([2, 5, 2])
  })

  test('leaves earlier answers of entries() as they were', async () => {
    const { clock, store, open } = setUp()
    await write(store, put('a/1'))
    await using view = await open()
    const before = view.entries()
    expect(view.entries()).toBe(before)
    await write(store, put('a/0'))
    await clock.advance(0)
    expect(before.map(({ key }) => key)).toEqual(['a/1'])
    expect(view.entries().map(({ key }) => key)).toEqual(['a/0', 'a/1'])
  })

  test('of one key leaves its neighbours out', async () => {
    const { clock, store } = setUp()
    await using view = await openView(store, { key: 'a', ...fixed(clock) })
    await write(store, put('a'), put('ab'))
    await clock.advance(0)
    expect(shown(view)).toEqual(['a=a'])
  })

  test('proves its currency while nothing happens, and is stale when the store falls silent', async () => {
    const { clock, store, open } = setUp()
    await using view = await open({ maxStaleMs: 1_000 })
    const heard = record(view)
    for (let turn = 0; turn < 40; turn += 1) {
      await clock.advance(100)
      expect(view.staleMs).toBeLessThanOrEqual(500)
    }
    expect(heard).toEqual([])
    clock.suspend(60_000)
    expect(view.staleMs).toBeGreaterThanOrEqual(59_990)
    await store.close()
  })

  test('ends when its store is closed, with the entries still there', async () => {
    const { clock, store, open } = setUp()
    await write(store, put('a/1'))
    await using view = await open()
    const next = view.changes().next()
    const confirmed = view.confirm()
    await store.close()
    await expect(next).rejects.toMatchObject({ code: 'STORE_CLOSED' })
    await expect(view.exited).rejects.toMatchObject({ code: 'STORE_CLOSED' })
    await confirmed.catch(() => {})
    await view.close()
    expect([view.status, shown(view), clock.sleepers]).toEqual(['closed', ['a/1=a/1'], 0])
  })

  test('closes at once, whatever waits on it, and leaves nothing', async () => {
    const { clock, store, open } = setUp()
    const view = await open()
    const next = view.changes().next()
    await Promise.all([view.close(), view.close(), view.exited])
    expect(await next).toEqual({ done: true, value: undefined })
    await expect(view.confirm()).rejects.toMatchObject({ code: 'VIEW_CLOSED' })
    expect(await view.changes().next()).toEqual({ done: true, value: undefined })
    expect([clock.sleepers, store.stats?.()['store_watches']?.value]).toEqual([0, 0])
  })

  test('confirms that it holds what was written before', async () => {
    const { store, open } = setUp()
    await using view = await open()
    await write(store, put('a/1'))
    await view.confirm()
    expect(view.size).toBe(1)
  })

  test.each([
    [{ prefix: 'a', key: 'b' }, TypeError],
    [{}, TypeError],
    [{ key: '' }, TypeError],
    [{ prefix: '', maxStaleMs: 99 }, RangeError],
    [{ prefix: '', antiEntropyMs: 1 }, RangeError],
    [{ prefix: '', openTimeoutMs: 0 }, RangeError],
    [{ prefix: '', clock: {} }, TypeError],
  ])('refuses %o', async (options, type) => {
    await expect(openView(setUp().store, options as never)).rejects.toThrow(type)
  })
})

describe('a view whose history is broken', () => {
  test('goes on where it was after the watch broke', async () => {
    const { clock, store, open } = setUp()
    await write(store, put('a/1'))
    await using view = await open()
    const heard = record(view)
    store.rollback(2)
    await write(store, put('a/2'))
    await write(store, put('a/3'))
    await clock.advance(100)
    expect(heard).toEqual(['disconnected', 'connected', '3: added a/2', '4: added a/3'])
  })

  test('tells one difference after a compaction', async () => {
    const { clock, store, open } = setUp()
    await write(store, put('a/1'), put('a/2'), put('a/3'))
    await using view = await open()
    const heard = record(view)
    store.rollback(2)
    await write(store, remove('a/1'))
    await write(store, put('a/2', 'new'))
    await write(store, put('a/4'))
    store.compact()
    await clock.advance(500)
    expect(heard.filter((line) => line.includes(':'))).toEqual([
      '5: removed a/1 changed a/2 added a/4 compacted',
    ])
    expect(shown(view)).toEqual(['a/2=new', 'a/3=a/3', 'a/4=a/4'])
  })

  test('tells one difference after a wipe', async () => {
    const { clock, store, open } = setUp()
    await write(store, put('a/1'), put('a/2'))
    await using view = await open()
    const heard = record(view)
    store.wipe()
    for (let turn = 0; turn < 5; turn += 1) await write(store, put('b'))
    await write(store, put('a/2'))
    await clock.advance(500)
    expect(heard).toEqual(['disconnected', '7: removed a/1 changed a/2 replaced', 'connected'])
  })

  test('tells one difference after a rollback', async () => {
    const { clock, store, open } = setUp()
    await write(store, put('a/1'))
    await write(store, put('a/2'))
    await using view = await open()
    const heard = record(view)
    store.rollback(2)
    await clock.advance(500)
    expect(heard.filter((line) => line.includes(':'))).toEqual(['2: removed a/2 rolled-back'])
    await write(store, put('a/5'))
    await clock.advance(0)
    expect(shown(view)).toEqual(['a/1=a/1', 'a/5=a/5'])
  })
})
