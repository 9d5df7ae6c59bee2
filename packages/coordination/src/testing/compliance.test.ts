import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { describe, expect, test } from 'vitest'
import { createMemoryStore } from '../memory/memory-store.ts'
import { coordinationStoreCompliance, withFaults } from './index.ts'

describe('the memory store', () => {
  coordinationStoreCompliance({
    test,
    expect,
    async create() {
      const clock = createFakeClock()
      const store = createMemoryStore({ clock })
      return {
        store,
        connect: async () => store.connect(),
        advance: clock.advance,
        compact: async (revision) => store.compact(revision),
        async tearDown() {
          await store.close()
          expect(clock.sleepers).toBe(0)
        },
      }
    },
  })
})

describe.each([false, true])('withFaults, with delays: %s', (delays) => {
  coordinationStoreCompliance({
    test,
    expect,
    async create() {
      const clock = createFakeClock()
      const random = createSeededRandom(1)
      const memory = createMemoryStore({ clock })
      const store = withFaults(memory, { clock, random })
      // Delays change nothing that is promised; somebody has to let the time pass.
      if (delays) store.delay({ minMs: 0, maxMs: 30 })
      const stopped = new AbortController()
      const ticking = delays ? tick() : undefined
      return {
        store,
        prefix: 'below/',
        connect: async () => withFaults(memory.connect(), { clock, random }),
        advance: clock.advance,
        compact: async (revision) => memory.compact(revision),
        async tearDown() {
          await store.close()
          stopped.abort()
          await ticking
          expect(clock.sleepers).toBe(0)
        },
      }

      async function tick(): Promise<void> {
        while (!stopped.signal.aborted) await clock.advance(1)
      }
    },
  })
})
