import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { createMemoryStore, type MemoryStore } from '../memory/memory-store.ts'
import type { CoordinationStore, Operation, RangeResult, Watch, WatchBatch } from '../store.ts'
import { type FaultyStore, withFaults } from '../testing/with-faults.ts'
import { openView } from './open-view.ts'
import type { ViewKnobs } from './options.ts'
import type { View } from './view.ts'

export interface Scene {
  clock: FakeClock
  memory: MemoryStore
  network: FaultyStore
  open(knobs?: ViewKnobs & { store?: CoordinationStore }): Promise<View>
  put(key: string, text?: string): Promise<unknown>
  remove(key: string): Promise<unknown>
}

export function setUp(): Scene {
  const clock = createFakeClock()
  const random = createSeededRandom(1)
  const memory = createMemoryStore({ clock })
  const network = withFaults(memory.connect(), { clock, random, deadlineMs: 1_000, silenceMs: 2_000 })
  const write = (operation: Operation): Promise<unknown> => memory.transact({ then: [operation] })
  return {
    clock,
    memory,
    network,
    open: ({ store = network, ...knobs } = {}) =>
      openView(store, { prefix: 'a/', clock, random, maxStaleMs: 2_000, ...knobs }),
    put: (key, text = key) => write({ kind: 'put', key, value: new TextEncoder().encode(text) }),
    remove: (key) => write({ kind: 'delete', at: { key } }),
  }
}

export function record(view: View): string[] {
  const heard: string[] = []
  view.on('changed', ({ revision, keys, resync }) => {
    heard.push([revision, ...keys.map(({ kind, key }) => `${kind} ${key}`), resync ?? 'told'].join(' '))
  })
  for (const event of ['connected', 'disconnected', 'stale', 'current'] as const)
    view.on(event, () => heard.push(event))
  return heard
}

/** A store that answers wrongly on purpose. */
export function tampered(
  store: CoordinationStore,
  {
    batch,
    range,
  }: { batch?: (batch: WatchBatch) => WatchBatch | undefined; range?: (found: RangeResult) => RangeResult },
): CoordinationStore {
  return {
    ...store,
    range: async (...call) => {
      const found = await store.range(...call)
      return range ? range(found) : found
    },
    watch: async (...call) => {
      const watch = await store.watch(...call)
      return batch ? { ...watch, [Symbol.asyncIterator]: () => filtered(watch, batch) } : watch
    },
  }
}

async function* filtered(
  watch: Watch,
  pass: (batch: WatchBatch) => WatchBatch | undefined,
): AsyncGenerator<WatchBatch> {
  for await (const batch of watch) {
    const passed = pass(batch)
    if (passed) yield passed
  }
}
