import { expect, test } from 'vitest'
import { createMemoryJournal } from './journal/memory.ts'
import { createLab } from './lab.test.kit.ts'

test('a drill opens no traffic, measures, and stops what it started, dependents first', async () => {
  const lab = createLab()
  const plan = lab.plan({
    db: { startMs: 100, trafficMs: 50, expectMs: 1 },
    auth: { needs: ['db'], startMs: 30, healthyAfterMs: 20 },
    mail: { tier: 2, startMs: 10 },
  })
  const run = plan.run(lab.options({ mode: 'drill', folder: '/scratch' }))
  await lab.clock.advance(1_000)
  const report = await run
  expect(report).toMatchObject({ mode: 'drill', folder: '/scratch', outcome: 'recovered' })
  expect(lab.trace.filter((line) => line.includes('traffic'))).toEqual([])
  expect(lab.trace.slice(-3)).toEqual(['150 mail stop mail', '150 auth stop auth', '150 db stop db'])
  expect(report.figures).toEqual({ db: 100, auth: 50, mail: 10 })
  expect(report.tiers.map(({ readyMs, verdict }) => [readyMs, verdict])).toEqual([
    [150, 'met'],
    [10, 'met'],
  ])
  expect(plan.forecast().readyMs).toBe(51)
  expect(plan.forecast(report.figures).readyMs).toBe(150)
})

test('a drill that finds something started is not isolated: it touches nothing, and stops nothing', async () => {
  const lab = createLab()
  const plan = lab.plan({
    db: { own: { state: async () => 'the one in production' } },
    web: { needs: ['db'] },
  })
  const report = await plan.run(lab.options({ mode: 'drill' }))
  expect(report.steps[0]?.error).toMatchObject({ phase: 'state', code: 'DRILL_NOT_ISOLATED' })
  expect(lab.trace).toEqual([])
})

test('a drill that is closed stops what it started, and cannot be resumed', async () => {
  const lab = createLab()
  const plan = lab.plan({ db: { startMs: 10 }, web: { needs: ['db'], startMs: 500 } })
  const journal = createMemoryJournal()
  const running = await plan.start(lab.options({ mode: 'drill', journal }))
  await lab.clock.advance(100)
  const closing = running.close()
  await lab.clock.advance(100)
  await closing
  expect([...lab.up.keys()].filter((name) => name === 'db')).toEqual([])
  expect(running.report().outcome).toBe('aborted')
  await expect(plan.run(lab.options({ mode: 'drill', journal }))).rejects.toMatchObject({
    code: 'JOURNAL_ENDED',
  })
})

test('a killed drill goes on under its journal, finds what it had started, and stops that too', async () => {
  const lab = createLab()
  const services = { db: { startMs: 10 }, web: { needs: ['db'], startMs: 10 } }
  const journal = createMemoryJournal()
  let left = 6
  const dying = {
    ...journal,
    append: async (...args: Parameters<typeof journal.append>) => {
      left -= 1
      if (left < 0) return new Promise<never>(() => {})
      return journal.append(...args)
    },
  }
  await lab.plan(services).start(lab.options({ mode: 'drill', journal: dying }))
  await lab.clock.advance(100)
  const other = createLab()
  for (const [name, service] of lab.up) other.up.set(name, service)
  const run = other.plan(services).run(other.options({ mode: 'drill', journal }))
  await other.clock.advance(100)
  expect(await run).toMatchObject({ outcome: 'recovered', resumed: 1 })
  expect(other.trace.filter((line) => line.includes('stop'))).toEqual([
    '20 web stop web',
    '20 db stop db:found',
  ])
  expect(other.up.size).toBe(0)
})

test('what came up although its start failed is stopped as well, and a stop that fails is told', async () => {
  const lab = createLab()
  const plan = lab.plan({
    db: {
      start: async (_, up) => {
        up()
        throw new Error('the answer was lost')
      },
    },
    web: { own: { stop: async () => Promise.reject(new Error('does not end')) } },
  })
  const journal = createMemoryJournal()
  const run = plan.run(lab.options({ mode: 'drill', journal }))
  await lab.clock.advance(1_000)
  await run
  expect(lab.up.has('db')).toBe(false)
  expect(journal.records.filter(({ type }) => type === 'stopped')).toMatchObject([
    { step: 'web', error: { message: 'does not end' } },
    { step: 'db' },
  ])
})

test('a start of a drill that comes up when it was given up already is stopped all the same, before the end', async () => {
  const lab = createLab()
  const plan = lab.plan({
    db: {
      start: async (_, up) => {
        await lab.clock.sleep(500)
        return up()
      },
      own: {
        startTimeoutMs: 100,
        graceMs: 50,
        stop: async () => {
          await lab.clock.sleep(200)
          lab.up.delete('db')
        },
      },
    },
    slow: { startMs: 600 },
  })
  const run = plan.run(lab.options({ mode: 'drill' })).then((report) => ({ report, endMs: lab.clock.now() }))
  await lab.clock.advance(1_000)
  const { report, endMs } = await run
  expect(report.steps[0]?.error?.code).toBe('STEP_UNSETTLED')
  expect(endMs).toBe(700)
  expect(lab.up.size).toBe(0)
})

test('a drill too waits until all that a step stands on is healthy at once', async () => {
  const lab = createLab()
  let sick = false
  const plan = lab.plan({
    db: { healthy: () => !sick },
    web: {
      needs: ['db'],
      start: async (_, up) => {
        sick = true
        return up()
      },
    },
  })
  const run = plan.run(lab.options({ mode: 'drill' }))
  await lab.clock.advance(300)
  sick = false
  await lab.clock.advance(300)
  expect((await run).steps[1]).toMatchObject({ state: 'ready', readyMs: 310 })
})
