import { createFakeClock } from '@holdfast/core/testing'
import { createMemoryJournal } from '@holdfast/recovery'
import { expect, test } from 'vitest'
import { type Place, type Platform, recoveryPlan } from './plan.ts'

/** Services in memory, which take two seconds to start; a backup that may be damaged. */
function createWorld({ damaged = false, slow = '' } = {}) {
  const clock = createFakeClock()
  const up = new Map<string, { place: Place; needs: readonly string[]; open: boolean }>()
  const restored: string[] = []
  const platform: Platform = {
    find: async (place) => [...up].find(([, service]) => service.place.key === place.key)?.[0],
    start: async (place, needs) => {
      await clock.sleep(place.name === slow ? 40_000 : 2_000)
      const url = `memory://${place.name}/${up.size}`
      up.set(url, { place, needs, open: false })
      return url
    },
    healthy: async (url) => up.get(url)!.needs.every((need) => up.has(need)),
    openTraffic: async (url) => {
      up.get(url)!.open = true
    },
    stop: async ({ key }) => {
      for (const [url, { place }] of up) if (place.key === key) up.delete(url)
    },
  }
  const backup = {
    verify: async () => (damaged ? Promise.reject(new Error('chunk 7 is damaged')) : undefined),
    restore: async (folder: string) => restored.push(folder),
  }
  const plan = recoveryPlan({ platform, backup, clock })
  const run = async (mode: 'recovery' | 'drill', folder: string) => {
    const report = plan.run({ mode, folder, journal: createMemoryJournal() })
    await clock.advance(300_000)
    return report
  }
  return { plan, run, up, restored }
}

test('the plan has no problems before anything runs', () => {
  const { plan } = createWorld()
  expect(plan.problems()).toEqual([])
  expect(plan.waves()).toEqual([['critical-db'], ['auth-service'], ['web-frontend']])
})

test('a drill restores into its scratch folder, opens no traffic, and leaves nothing', async () => {
  const { plan, run, up, restored } = createWorld()
  const drill = await run('drill', '/scratch')
  expect(drill.tiers.map(({ readyMs, verdict }) => [readyMs, verdict])).toEqual([
    [2_000, 'met'],
    [4_000, 'met'],
    [6_000, 'met'],
  ])
  expect(restored).toEqual(['/scratch/critical-db'])
  expect(up.size).toBe(0)
  expect(plan.forecast(drill.figures).readyMs).toBe(6_000)
})

test('a recovery brings all three back, each on those that it needs, and opens their traffic', async () => {
  const { run, up, restored } = createWorld()
  expect((await run('recovery', '/state')).outcome).toBe('recovered')
  expect(restored).toEqual(['/state/critical-db'])
  expect([...up.values()].map(({ place, needs, open }) => [place.name, needs.length, open])).toEqual([
    ['critical-db', 0, true],
    ['auth-service', 1, true],
    ['web-frontend', 2, true],
  ])
})

test('a damaged backup is not restored from, and nothing is started on it', async () => {
  const { run, up, restored } = createWorld({ damaged: true })
  const report = await run('recovery', '/state')
  expect(report.steps.map(({ state }) => state)).toEqual(['failed', 'skipped', 'skipped'])
  expect(report.steps[0]?.error).toMatchObject({ phase: 'verify', message: 'chunk 7 is damaged' })
  expect([restored, up.size]).toEqual([[], 0])
})

test('a drill that is too slow is told by the problems of the next plan', async () => {
  const { plan, run } = createWorld({ slow: 'critical-db' })
  const { figures, tiers } = await run('drill', '/scratch')
  expect(tiers[0]?.verdict).toBe('failed') // its start has twenty seconds, three times
  expect(plan.problems({ ...figures, 'critical-db': 40_000 }).map(({ kind }) => kind)).toContain(
    'critical-path',
  )
})
