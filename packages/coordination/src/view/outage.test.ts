import { expect, test } from 'vitest'
import { coordinationError } from '../errors.ts'
import { createPull } from '../pull.ts'
import type { CoordinationStore, RangeResult } from '../store.ts'
import { record, setUp, tampered } from './scene.test.kit.ts'

test('opening gives up when the store stays away, with the reason, and leaves nothing', async () => {
  const { clock, network, open } = setUp()
  network.partition()
  const opening = open({ openTimeoutMs: 3_000 }).catch((error: unknown) => error)
  await clock.advance(3_000)
  expect(await opening).toMatchObject({
    code: 'STORE_UNAVAILABLE',
    retryable: true,
    cause: { code: 'STORE_UNAVAILABLE' },
  })
  await network.close()
  expect(clock.sleepers).toBe(0)
})

test('opening waits for a store that comes back in time', async () => {
  const { clock, network, open, put } = setUp()
  await put('a/1')
  network.partition()
  const opening = open({ openTimeoutMs: 5_000 })
  await clock.advance(2_500)
  network.heal()
  await clock.advance(2_400)
  expect((await opening).size).toBe(1)
})

test('opening ends at once when it is aborted, refused, or the store is closed', async () => {
  const { clock, memory, network, open } = setUp()
  const reason = new Error('enough')
  await expect(open({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  network.partition()
  const abort = new AbortController()
  const opening = open({ signal: abort.signal }).catch((error: unknown) => error)
  abort.abort(reason)
  expect(await opening).toBe(reason)
  const denied = { ...memory, range: () => Promise.reject(coordinationError('STORE_DENIED', 'no')) }
  await expect(open({ store: denied })).rejects.toMatchObject({ code: 'STORE_DENIED' })
  await network.close()
  await expect(open()).rejects.toMatchObject({ code: 'STORE_CLOSED' })
  expect(clock.sleepers).toBe(0)
})

test('a cut network leaves the entries, tells that they get stale, and then what happened meanwhile', async () => {
  const { clock, memory, network, open, put, remove } = setUp()
  await put('a/1')
  const view = await open()
  const heard = record(view)
  network.partition()
  await remove('a/1')
  await put('a/2')
  await clock.advance(4_000)
  expect([view.status, view.size, view.staleMs > 3_900]).toEqual(['disconnected', 1, true])
  expect(heard.toSorted()).toEqual(['disconnected', 'stale'])
  network.heal()
  await clock.advance(2_000)
  expect(heard.slice(2)).toEqual(['connected', '3 removed a/1 told', '4 added a/2 told', 'current'])
  expect([view.status, view.staleMs < 1_000]).toEqual(['connected', true])
  await view.close()
  await network.close()
  await memory.close()
  expect(clock.sleepers).toBe(0)
})

test('a watch that has fallen silent without breaking is found out by reads', async () => {
  const { clock, memory, open, put } = setUp()
  let silent = false
  const store = tampered(memory, { batch: (batch) => (silent ? undefined : batch) })
  await using view = await open({ store })
  const heard = record(view)
  silent = true
  await put('a/1')
  silent = true
  await clock.advance(2_000)
  expect(heard).toContain('2 added a/1 diverged')
  expect(view.size).toBe(1)
})

test('a deletion that the watch left out is found out, also where there is never a quiet moment', async () => {
  const { clock, memory, open, put, remove } = setUp()
  const store = tampered(memory, {
    batch: (batch) => ({ ...batch, events: batch.events.filter(({ kind }) => kind === 'put') }),
  })
  await put('a/1')
  await using view = await open({ store })
  const heard = record(view)
  await remove('a/1')
  for (let turn = 0; turn < 200; turn += 1) {
    await put('a/busy')
    await clock.advance(10)
  }
  expect(heard.filter((line) => line.endsWith('diverged'))).toHaveLength(1)
  expect(view.entries().map(({ key }) => key)).toEqual(['a/busy'])
})

test('whatever else differs is found out by comparing all', async () => {
  const { clock, memory, open, put } = setUp()
  await put('a/1', 'true')
  await put('b')
  const forge = (found: RangeResult): RangeResult => ({
    ...found,
    entries: found.entries.map((entry) => ({ ...entry, value: new TextEncoder().encode('false') })),
  })
  let forging = true
  const store = tampered(memory, { range: (found) => (forging ? forge(found) : found) })
  await using view = await open({ store, antiEntropyMs: 10_000 })
  const heard = record(view)
  forging = false
  await clock.advance(7_000)
  expect(heard).toEqual([])
  await clock.advance(6_000)
  expect(heard).toContain('3 changed a/1 diverged')
  expect(new TextDecoder().decode(view.get('a/1')?.value)).toBe('true')
})

test('after an outage in which the store was restored and overtook it, all is compared at once', async () => {
  const { clock, memory, network, open, put } = setUp()
  await put('a/1')
  await put('a/2', 'old')
  await using view = await open({ antiEntropyMs: 3_600_000 })
  network.partition()
  memory.rollback(2)
  await put('a/2', 'new')
  await put('b')
  await clock.advance(5_000)
  network.heal()
  await clock.advance(2_000)
  expect(new TextDecoder().decode(view.get('a/2')?.value)).toBe('new')
})

test('where no watch can be opened but reads answer, snapshots do', async () => {
  const { clock, memory, open, put } = setUp()
  let watchable = true
  const store: CoordinationStore = {
    ...memory,
    watch: (...call) =>
      watchable ? memory.watch(...call) : Promise.reject(coordinationError('STORE_UNAVAILABLE', 'no watch')),
  }
  await using view = await open({ store })
  watchable = false
  memory.rollback(1)
  await put('a/1')
  await clock.advance(6_000)
  expect(view.size).toBe(1)
  await put('a/2')
  await clock.advance(6_000)
  expect([view.status, view.size]).toEqual(['disconnected', 2])
})

test('a denial after the opening is no end: it goes on when it is allowed again', async () => {
  const { clock, memory, open, put } = setUp()
  let allowed = true
  const store: CoordinationStore = {
    ...memory,
    range: (...call) =>
      allowed ? memory.range(...call) : Promise.reject(coordinationError('STORE_DENIED', 'no')),
    watch: (...call) =>
      allowed ? memory.watch(...call) : Promise.reject(coordinationError('STORE_DENIED', 'no')),
  }
  await using view = await open({ store })
  allowed = false
  memory.rollback(1)
  await put('a/1')
  await clock.advance(10_000)
  expect([view.status, view.size]).toEqual(['disconnected', 0])
  allowed = true
  await clock.advance(2_000)
  expect([view.status, view.size]).toEqual(['connected', 1])
})

test('a notice of progress moves the revision and tells nothing', async () => {
  const { clock, memory, open } = setUp()
  const batches = [{ clusterId: 'memory-1', revision: 7, events: [] }]
  const store: CoordinationStore = {
    ...memory,
    watch: async () => {
      const pull = createPull(() => batches.shift())
      const close = async (): Promise<void> => pull.end()
      const started = { clusterId: 'memory-1', revision: 1 }
      return { started, [Symbol.asyncIterator]: () => pull, close, [Symbol.asyncDispose]: close }
    },
  }
  await using view = await open({ store })
  const heard = record(view)
  await clock.advance(0)
  expect([view.revision, heard]).toEqual([7, []])
})

test('a listener that throws harms neither the others nor the view', async () => {
  const { clock, open, put } = setUp()
  await using view = await open()
  const errors: unknown[] = []
  view.on('listenerError', (error) => errors.push(error))
  for (const event of ['changed', 'connected', 'disconnected', 'stale', 'current'] as const)
    view.on(event, () => {
      throw new Error(event)
    })
  const changes = view.changes()
  await put('a/1')
  await clock.advance(0)
  expect((await changes.next()).value?.keys).toHaveLength(1)
  expect(errors).toHaveLength(1)
})

test('a consumer that aborts gets its reason, and the view goes on', async () => {
  const { clock, open, put } = setUp()
  await using view = await open()
  const reason = new Error('enough')
  await expect(view.changes({ signal: AbortSignal.abort(reason) }).next()).rejects.toBe(reason)
  await expect(view.confirm({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  const abort = new AbortController()
  const [next, confirmed] = [
    view.changes({ signal: abort.signal }).next(),
    view.confirm({ signal: abort.signal }),
  ]
  abort.abort(reason)
  await expect(next).rejects.toBe(reason)
  await expect(confirmed).rejects.toBe(reason)
  await put('a/1')
  await clock.advance(0)
  expect(view.size).toBe(1)
})

test('confirm rejects while the store is away', async () => {
  const { clock, network, open } = setUp()
  await using view = await open()
  network.partition()
  const confirmed = view.confirm().catch((error: { code: string }) => error.code)
  await clock.advance(1_000)
  expect(await confirmed).toBe('STORE_UNAVAILABLE')
})

test('sends a read about every half of maxStaleMs and no more, and keeps its pauses below a second while the store is away', async () => {
  const { clock, network, open } = setUp()
  await using view = await open({ maxStaleMs: 10_000, antiEntropyMs: Number.POSITIVE_INFINITY })
  const reads = (): number => view.stats()['view_reads_total']!.value
  const before = reads()
  await clock.advance(100_000)
  expect(reads() - before).toBeGreaterThanOrEqual(20)
  expect(reads() - before).toBeLessThanOrEqual(27)
  network.partition()
  await clock.advance(60_000)
  const attempts = reads()
  await clock.advance(60_000)
  // A deadline of 1 s and a pause of at most 1 s each.
  expect(reads() - attempts).toBeGreaterThanOrEqual(30)
  expect(reads() - attempts).toBeLessThanOrEqual(60)
})
