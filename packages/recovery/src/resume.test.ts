import { expect, test } from 'vitest'
import type { Journal, JournalRecord } from './journal/journal.ts'
import { createMemoryJournal } from './journal/memory.ts'
import { createLab, type Lab } from './lab.test.kit.ts'
import { reportOf } from './report.ts'

const services = {
  db: { verifyMs: 5, startMs: 20 },
  auth: { tier: 2, needs: ['db'], startMs: 20 },
} as const

test('cut off after any record, a second run starts only what is not up, and traffic at most twice', async () => {
  const whole = await records(createLab())
  expect(whole.map(({ type }) => type)).toEqual([
    'declared',
    ...['began', 'verified', 'starting', 'started', 'healthy', 'ready'],
    ...['began', 'verified', 'starting', 'started', 'healthy', 'ready'],
    'ended',
  ])
  for (let kept = 1; kept < whole.length; kept += 1) {
    const lab = createLab()
    const journal = createMemoryJournal()
    const plan = lab.plan(services)
    const dying = await plan.start(lab.options({ journal: dyingAfter(journal, kept) }))
    await lab.clock.advance(500)
    const begun = lab.read()
    const second = createLab()
    for (const [name, service] of lab.up) second.up.set(name, service)
    const run = second.plan(services).run(second.options({ journal }))
    await second.clock.advance(2_000)
    const report = await run
    expect(report, `${kept} records`).toMatchObject({ outcome: 'recovered', resumed: 1 })
    const calls = [...begun, ...second.read()].map((line) => line.split(' ').slice(1).join(' '))
    for (const name of ['db', 'auth']) {
      expect(count(calls, `${name} start`), `${kept} records`).toBe(1)
      expect(count(calls, `${name} traffic`), `${kept} records`).toBeLessThanOrEqual(2)
    }
    void dying
  }
})

test('what was ready and still is is left alone, and keeps its time', async () => {
  const lab = createLab()
  const sick = new Set(['auth'])
  const plan = lab.plan({
    db: { startMs: 20 },
    auth: {
      needs: ['db'],
      verify: async () => (sick.size > 0 ? Promise.reject(new Error('bad')) : undefined),
    },
    web: { needs: ['auth'] },
  })
  const journal = createMemoryJournal()
  const first = plan.run(lab.options({ journal }))
  await lab.clock.advance(100)
  expect(await first).toMatchObject({
    outcome: 'incomplete',
    steps: [{}, { state: 'failed' }, { state: 'skipped' }],
  })
  lab.read()
  sick.clear()
  await lab.clock.advance(900)
  const second = await plan.start(lab.options({ journal }))
  expect(second.report()).not.toHaveProperty('outcome')
  await lab.clock.advance(500)
  const report = await second.finished
  expect(report).toMatchObject({ outcome: 'recovered', resumed: 1 })
  expect(lab.read()).toEqual([
    ...['1000 auth verify', '1000 auth start', '1100 auth traffic'],
    ...['1100 web verify', '1100 web start', '1200 web traffic'],
  ])
  expect(report.steps.map(({ readyMs }) => readyMs)).toEqual([20, 1_100, 1_200])
  expect(report.tiers[0]).toMatchObject({ readyMs: 1_200, verdict: 'missed' })
  expect(report.steps[1]).not.toHaveProperty('error')
})

test('what was ready, is there still and does not work has failed, and its time with it', async () => {
  const lab = createLab()
  let sick = false
  const plan = lab.plan({
    db: { healthy: () => !sick },
    web: { needs: ['db'], verify: async () => Promise.reject(new Error('no')) },
  })
  const journal = createMemoryJournal()
  const first = plan.run(lab.options({ journal }))
  await lab.clock.advance(200)
  expect((await first).steps[0]).toMatchObject({ state: 'ready', readyMs: 100 })
  sick = true
  const second = plan.run(lab.options({ journal }))
  await lab.clock.advance(2_000)
  const { steps, tiers } = await second
  expect(steps[0]).toMatchObject({ state: 'failed', error: { code: 'STEP_UNHEALTHY' }, starts: 1 })
  expect(steps[0]).not.toHaveProperty('readyMs')
  expect(tiers[0]?.verdict).toBe('failed')
})

test('what was ready and is gone is started again', async () => {
  const lab = createLab()
  const plan = lab.plan({
    db: { startMs: 20 },
    web: { needs: ['db'], verify: async () => Promise.reject(new Error('no')) },
  })
  const journal = createMemoryJournal()
  const first = plan.run(lab.options({ journal }))
  await lab.clock.advance(100)
  await first
  lab.up.clear()
  const second = plan.run(lab.options({ journal }))
  await lab.clock.advance(100)
  expect((await second).steps[0]).toMatchObject({ starts: 2, beganMs: 100, readyMs: 120 })
})

test('what survived the disaster is found, and not started', async () => {
  const lab = createLab()
  const plan = lab.plan({ db: { own: { state: async () => 'db' } } })
  lab.up.set('db', { key: 'any', sinceMs: 0 })
  const run = plan.run(lab.options())
  await lab.clock.advance(0)
  const report = await run
  expect(lab.trace).toEqual(['0 db traffic'])
  expect(report.steps[0]).toMatchObject({ state: 'ready', found: true, starts: 0 })
  expect(report.figures).toEqual({})
})

test('a run keeps its name and the time of its declaration, whatever a resume says; time never goes back', async () => {
  const lab = createLab()
  const plan = lab.plan({ db: { verify: async () => Promise.reject(new Error('no')) } })
  const journal = createMemoryJournal()
  const declaredAt = lab.clock.wall() - 60_000
  const first = await plan.run(lab.options({ journal, declaredAt }))
  lab.clock.setWall(declaredAt - 1)
  const second = await plan.run(lab.options({ journal, declaredAt: lab.clock.wall() }))
  expect(second.run).toBe(first.run)
  expect(second.declaredAt).toBe(declaredAt)
  expect(second.atMs).toBeGreaterThanOrEqual(first.atMs)
})

test('a plan may be mended between two runs: a step more, a step less, another RTO', async () => {
  const lab = createLab()
  const journal = createMemoryJournal()
  const broken = { start: async () => Promise.reject(new Error('no')) }
  const first = lab.plan({ db: { startMs: 20 }, legacy: broken }).run(lab.options({ journal }))
  await lab.clock.advance(100)
  await first
  const second = lab
    .plan({ db: { startMs: 20 }, mail: { tier: 2 } }, { rtoMs: { 1: 5_000, 2: 7_000 } })
    .run(lab.options({ journal }))
  await lab.clock.advance(500)
  const report = await second
  expect(report.steps.map(({ step, state }) => [step, state])).toEqual([
    ['db', 'ready'],
    ['mail', 'ready'],
  ])
  expect(report.tiers.map(({ rtoMs, forecastMs }) => [rtoMs, forecastMs])).toEqual([
    [5_000, 100],
    [7_000, 200],
  ])
})

test('a journal of another mode or folder, or of a run that is over, is refused before anything is called', async () => {
  const lab = createLab()
  const plan = lab.plan({ db: {} })
  const journal = createMemoryJournal()
  const run = plan.run(lab.options({ journal }))
  await lab.clock.advance(200)
  await run
  lab.read()
  const held = journal.records.length
  await expect(plan.run(lab.options({ journal, mode: 'drill' }))).rejects.toMatchObject({
    code: 'JOURNAL_OF_ANOTHER',
  })
  await expect(plan.run(lab.options({ journal, folder: '/other' }))).rejects.toMatchObject({
    code: 'JOURNAL_OF_ANOTHER',
  })
  await expect(plan.run(lab.options({ journal }))).rejects.toMatchObject({ code: 'JOURNAL_ENDED' })
  expect(lab.read()).toEqual([])
  expect(journal.records).toHaveLength(held)
})

test('the journal of a run that was cut off is a report', async () => {
  const lab = createLab()
  const journal = createMemoryJournal()
  await lab.plan(services).start(lab.options({ journal: dyingAfter(journal, 8) }))
  await lab.clock.advance(100)
  expect(reportOf(await journal.read())).toMatchObject({
    ...{ mode: 'recovery', resumed: 0, steps: [{ state: 'ready' }, { state: 'working' }] },
    tiers: [{ verdict: 'met' }, { verdict: 'pending' }],
  })
  expect(reportOf([])).toBeUndefined()
})

/** A process that dies when it has written so many records: what follows never happens. */
function dyingAfter(journal: Journal, records: number): Journal {
  let left = records
  return {
    read: () => journal.read(),
    append: async (record) => {
      if (left <= 0) return new Promise(() => {})
      left -= 1
      await journal.append(record)
      if (left === 0) return new Promise((resolve) => (record.type === 'declared' ? resolve() : undefined))
    },
  }
}

async function records(lab: Lab): Promise<readonly JournalRecord[]> {
  const journal = createMemoryJournal()
  const run = lab.plan(services).run(lab.options({ journal }))
  await lab.clock.advance(500)
  await run
  return journal.records
}

function count(lines: readonly string[], line: string): number {
  return lines.filter((other) => other === line).length
}
