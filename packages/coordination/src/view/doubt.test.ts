import { expect, test } from 'vitest'
import { coordinationError } from '../errors.ts'
import type { CoordinationStore, WatchBatch } from '../store.ts'
import { record, setUp, tampered } from './scene.test.kit.ts'

// What the view may believe of reads and events that overtake one another.

/** A store whose watches and reads wait at a gate while that is closed. */
function gated(store: CoordinationStore): { store: CoordinationStore; watches: Gate; reads: Gate } {
  const watches = createGate()
  const reads = createGate()
  return {
    watches,
    reads,
    store: {
      ...store,
      range: async (...call) => {
        const found = await store.range(...call)
        await reads.pass()
        return found
      },
      watch: async (...call) => {
        const watch = await store.watch(...call)
        return { ...watch, [Symbol.asyncIterator]: () => late(watch, watches) }
      },
    },
  }
}

async function* late(watch: AsyncIterable<WatchBatch>, gate: Gate): AsyncGenerator<WatchBatch> {
  for await (const batch of watch) {
    await gate.pass()
    yield batch
  }
}

interface Gate {
  shut(): void
  /** Lets the first one through that waits. */
  letOne(): void
  /** Lets the last one overtake all others. */
  letLast(): void
  open(): void
  pass(): Promise<void>
}

function createGate(): Gate {
  let isShut = false
  let waiting: (() => void)[] = []
  return {
    shut: () => {
      isShut = true
    },
    letOne: () => waiting.shift()?.(),
    letLast: () => waiting.pop()?.(),
    open() {
      isShut = false
      for (const resolve of waiting) resolve()
      waiting = []
    },
    pass: async () => {
      if (isShut) await new Promise<void>((resolve) => waiting.push(resolve))
    },
  }
}

test('a key that came and went shows late: until it is gone again the view is not current', async () => {
  const { clock, memory, open, put, remove } = setUp()
  const { store, watches } = gated(memory)
  await using view = await open({ store, maxStaleMs: 10_000 })
  const heard = record(view)
  await clock.advance(1_000)
  watches.shut()
  await put('a/1')
  await remove('a/1')
  await view.confirm()
  expect([view.staleMs, view.size]).toEqual([0, 0])
  watches.letOne()
  await clock.advance(0)
  expect([view.staleMs, view.size]).toEqual([1_000, 1])
  watches.letOne()
  await clock.advance(0)
  expect([view.size, heard]).toEqual([0, ['2 added a/1 told', '3 removed a/1 told']])
  expect(view.staleMs).toBe(0)
})

test('the same, where it shows while the read is under way', async () => {
  const { clock, memory, open, put, remove } = setUp()
  const { store, watches, reads } = gated(memory)
  await using view = await open({ store, maxStaleMs: 10_000 })
  watches.shut()
  await put('a/1')
  await remove('a/1')
  reads.shut()
  await clock.advance(1_000)
  const confirmed = view.confirm()
  await clock.advance(500)
  watches.letOne()
  await clock.advance(0)
  reads.open()
  await clock.advance(0)
  expect([view.staleMs, view.size]).toEqual([1_500, 1])
  watches.open()
  await confirmed
  expect([view.staleMs, view.size]).toEqual([500, 0])
})

test('events told a second time take no proof back', async () => {
  const { clock, memory, open, put } = setUp()
  let last: WatchBatch | undefined
  const store = tampered(memory, {
    batch: (batch) => {
      const again = last
      last = batch
      return again ?? batch
    },
  })
  await put('a/1')
  await using view = await open({ store, maxStaleMs: 10_000 })
  const heard = record(view)
  await clock.advance(1_000)
  await put('b')
  await view.confirm()
  await put('a/2')
  await clock.advance(0)
  expect([view.staleMs, heard]).toEqual([0, []])
})

test('a read of a revision between two events is judged by what stood between them', async () => {
  const { clock, memory, open, put } = setUp()
  const { store, watches } = gated(memory)
  await using view = await open({ store, maxStaleMs: 10_000 })
  const heard = record(view)
  watches.shut()
  await put('a/1')
  await put('b')
  const confirmed = view.confirm()
  await clock.advance(100)
  watches.open()
  await put('a/2')
  await put('a/3')
  await confirmed
  expect(heard).toEqual(['2 added a/1 told', '4 added a/2 told'])
  expect(view.staleMs).toBe(100)
})

test('the answer of a cluster that is gone, arriving after the new snapshot, means nothing', async () => {
  const { clock, memory, open, put } = setUp()
  const { store, reads } = gated(memory)
  await put('a/1')
  await using view = await open({ store })
  reads.shut()
  const confirmed = view.confirm()
  await clock.advance(0)
  memory.wipe()
  await put('a/2')
  await clock.advance(200)
  // Two wait: the read of the old cluster, and the snapshot of the new one.
  reads.letLast()
  await clock.advance(0)
  reads.open()
  await clock.advance(0)
  expect(view.entries().map(({ key }) => key)).toEqual(['a/2'])
  await confirmed
  await clock.advance(1_500)
  expect(view.stats()['view_resyncs_total']!.value).toBe(1)
})

test('a store that was replaced behind a watch that tells nothing of it is found out by reads', async () => {
  const { clock, memory, open, put } = setUp()
  const store: CoordinationStore = {
    ...memory,
    watch: async (...call) => {
      const watch = await memory.watch(...call)
      return { ...watch, [Symbol.asyncIterator]: () => deaf(watch, call[1]?.signal) }
    },
  }
  await put('a/1')
  await using view = await open({ store })
  const heard = record(view)
  memory.wipe()
  for (let count = 0; count < 5; count += 1) await put('b')
  await put('a/1')
  await clock.advance(3_000)
  expect(heard.filter((line) => line.endsWith('replaced'))).toEqual(['7 changed a/1 replaced'])
})

/** Hides why a watch broke until the view gives it up. */
async function* deaf(
  watch: AsyncIterable<WatchBatch>,
  signal: AbortSignal | undefined,
): AsyncGenerator<WatchBatch> {
  try {
    yield* watch
  } catch {
    await new Promise<void>((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))
  }
}

test('while the watch is away for a moment, reads that know more are no reason to start anew', async () => {
  const { clock, memory, open, put } = setUp()
  let watchable = true
  const store: CoordinationStore = {
    ...memory,
    watch: (...call) =>
      watchable ? memory.watch(...call) : Promise.reject(coordinationError('STORE_UNAVAILABLE', 'no watch')),
  }
  await using view = await open({ store, backoff: { maxMs: 300 } })
  const heard = record(view)
  watchable = false
  memory.rollback(1)
  await put('a/1')
  await put('a/2')
  for (let turn = 0; turn < 12; turn += 1) {
    void view.confirm().catch(() => {})
    await clock.advance(100)
  }
  watchable = true
  await clock.advance(1_000)
  expect(heard).toEqual(['disconnected', 'connected', '2 added a/1 told', '3 added a/2 told'])
})

test('after a connection that lasted, the next is tried at once; one that breaks again and again is not hammered', async () => {
  const { clock, memory, open } = setUp()
  let opened = 0
  const counted = <T>(call: T): T => {
    opened += 1
    return call
  }
  const store: CoordinationStore = { ...memory, watch: (...call) => counted(memory.watch(...call)) }
  await using view = await open({ store, backoff: { minMs: 50, maxMs: 1_000, jitter: 'none' } })
  for (let turn = 0; turn < 20; turn += 1) {
    await clock.advance(1_000)
    memory.rollback(1)
    await clock.advance(50)
    expect(view.status).toBe('connected')
  }
  const before = opened
  for (let turn = 0; turn < 1_000; turn += 1) {
    memory.rollback(1)
    await clock.advance(10)
  }
  expect(opened - before).toBeLessThanOrEqual(15)
})

test('no event follows the closing, whatever answers then', async () => {
  const { clock, memory, open, put } = setUp()
  const { store, reads } = gated(memory)
  const view = await open({ store })
  const heard = record(view)
  memory.wipe()
  await put('a/1')
  reads.shut()
  await clock.advance(200)
  const before = [...heard]
  const closed = view.close()
  reads.open()
  await closed
  expect([heard, view.size]).toEqual([before, 0])
})

test('another past at the revision shown is found out when the watch begins anew', async () => {
  const { clock, memory, open, put, remove } = setUp()
  await put('a/1')
  await put('a/2')
  await using view = await open()
  const heard = record(view)
  memory.rollback(2)
  await put('a/3')
  await clock.advance(500)
  expect(heard.filter((line) => line.endsWith('rolled-back'))).toEqual([
    '3 removed a/2 added a/3 rolled-back',
  ])
  memory.rollback(2)
  await remove('a/1')
  await put('b')
  await clock.advance(500)
  expect(view.size).toBe(0)
})

test('another past that came further, with nothing to see at the revision shown, is found out by the first read', async () => {
  const { clock, memory, open, put } = setUp()
  await put('a/1')
  await put('a/2')
  await using view = await open({ antiEntropyMs: Number.POSITIVE_INFINITY, maxStaleMs: 60_000 })
  const heard = record(view)
  memory.rollback(1)
  for (const key of ['a/3', 'a/4', 'b', 'b', 'b']) await put(key)
  await clock.advance(200)
  const confirmed = view.confirm()
  await clock.advance(200)
  await confirmed
  expect(view.entries().map(({ key }) => key)).toEqual(['a/3', 'a/4'])
  expect(heard).toEqual([
    'disconnected',
    'connected',
    'disconnected',
    '6 removed a/1 removed a/2 added a/3 added a/4 rolled-back',
    'connected',
  ])
})

test('after a break nothing is proven until everything was compared, and once is enough', async () => {
  const { clock, memory, network, open, put } = setUp()
  let whole = 0
  let failing = false
  const store: CoordinationStore = {
    ...network,
    range: (selection, options = {}) => {
      if (options.revision === undefined) return network.range(selection, options)
      whole += 1
      return failing
        ? Promise.reject(coordinationError('STORE_UNAVAILABLE', 'no answer'))
        : network.range(selection, options)
    },
  }
  await put('a/1')
  await using view = await open({ store, antiEntropyMs: Number.POSITIVE_INFINITY })
  await clock.advance(10_000)
  expect(whole).toBe(0)
  failing = true
  network.breakWatches()
  await put('a/2')
  await clock.advance(10_000)
  expect([view.status, view.size, view.staleMs > 8_000]).toEqual(['connected', 2, true])
  failing = false
  await clock.advance(2_000)
  expect(view.staleMs).toBeLessThan(2_000)
  whole = 0
  await clock.advance(10_000)
  expect(whole).toBe(0)
  await memory.close()
})

test('where history is compacted before it could be compared, it starts anew', async () => {
  const { clock, memory, network, open, put } = setUp()
  await put('a/1')
  await using view = await open({ antiEntropyMs: Number.POSITIVE_INFINITY })
  const heard = record(view)
  network.loseNext('answer', 'range')
  network.breakWatches()
  await clock.advance(500)
  await put('b')
  await put('b')
  memory.compact()
  await clock.advance(3_000)
  expect(heard).toContain('4 compacted')
  expect(view.staleMs).toBeLessThanOrEqual(1_000)
})
