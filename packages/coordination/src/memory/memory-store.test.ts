import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { createMemoryStore } from './memory-store.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('leases end by the clock, and delete their keys in one revision', async () => {
  const clock = createFakeClock()
  await using store = createMemoryStore({ clock })
  const { leaseId, ttlMs } = await store.grantLease(1)
  expect(ttlMs).toBe(2_000)
  const then = ['a', 'b'].map((key) => ({ kind: 'put', key, value: bytes(key), leaseId }) as const)
  await store.transact({ then })
  await using watch = await store.watch({ prefix: '' })
  await clock.advance(1_500)
  await store.keepAlive(leaseId)
  await clock.advance(1_999)
  expect((await store.range({ prefix: '' })).count).toBe(2)
  await clock.advance(1)
  for await (const batch of watch) {
    expect(batch).toEqual({
      clusterId: 'memory-1',
      revision: 3,
      events: [
        { kind: 'delete', key: 'a', modRevision: 3 },
        { kind: 'delete', key: 'b', modRevision: 3 },
      ],
    })
    break
  }
  expect(clock.sleepers).toBe(0)
})
