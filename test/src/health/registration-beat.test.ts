import { createMemoryStore } from '@holdfast/coordination'
import type { Clock } from '@holdfast/core'
import { createFakeClock } from '@holdfast/core/testing'
import { type Beat, createDetector, startHeartbeat } from '@holdfast/health'
import { createDiscovery, openSession, register } from '@holdfast/lease'
import { expect, test } from 'vitest'

test('beats into a registration reach an observer by discovery, who suspects a standstill long before the lease ends', async () => {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const frozen = { is: false }
  const session = await openSession(store, { ttlMs: 60_000, clock })
  const identity = { service: 'edge', id: 'host-7', incarnation: 3 }
  const registration = await register(session, identity, { beat: undefined as Beat | undefined })
  const heartbeat = startHeartbeat({
    intervalMs: 1_000,
    incarnation: identity.incarnation,
    clock: freezable(clock, frozen),
    send: async (beat) => registration.update((metadata) => ({ ...metadata, beat })),
  })

  const detector = createDetector({ intervalMs: 1_000, clock })
  const discovery = createDiscovery(store, { clock })
  const edge = await discovery.view<{ beat?: Beat }>('edge')
  const observe = async (seconds: number): Promise<string[]> => {
    for (let second = 0; second < seconds; second += 1) {
      await clock.advance(1_000)
      for (const { id, metadata } of edge.instances()) if (metadata.beat) detector.heard(id, metadata.beat)
      detector.verdicts()
    }
    return detector.verdicts().map(({ id, state, incarnation }) => `${id} ${incarnation} ${state}`)
  }

  expect(await observe(30)).toEqual(['host-7 3 alive'])
  frozen.is = true
  expect(await observe(8)).toEqual(['host-7 3 dead'])
  expect(session.isHeld()).toBe(true)
  frozen.is = false
  expect(await observe(3)).toEqual(['host-7 3 alive'])

  await heartbeat.close()
  await discovery.close()
  await session.close()
  await store.close()
})

/** A clock whose sleepers oversleep while it is frozen: their process stands still, the others go on. */
function freezable(clock: Clock, frozen: { readonly is: boolean }): Clock {
  const sleep: Clock['sleep'] = async (ms, signal) => {
    await clock.sleep(ms, signal)
    while (frozen.is && !signal?.aborted) await clock.sleep(100, signal)
  }
  return { ...clock, sleep }
}
