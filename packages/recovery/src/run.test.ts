import { isHoldfastError } from '@holdfast/core'
import type { FakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import type { JournalRecord } from './journal/journal.ts'
import { createMemoryJournal } from './journal/memory.ts'
import { createLab } from './lab.test.kit.ts'
import type { StepContext } from './types.ts'

const hangs = (): Promise<never> => new Promise(() => {})

test('verify, start, healthy, traffic; dependents after what they need is ready; values flow', async () => {
  const lab = createLab()
  const handed: unknown[] = []
  const plan = lab.plan({
    db: { verifyMs: 5, startMs: 100, healthyAfterMs: 30, trafficMs: 7 },
    auth: {
      needs: ['db'],
      start: async (context, up) => {
        handed.push(context.needs, context.folder, context.mode)
        return up()
      },
    },
  })
  const options = lab.options()
  const running = await plan.start(options)
  await lab.clock.advance(1_000)
  const report = await running.finished
  expect(lab.trace).toEqual([
    ...['0 db verify', '5 db start', '135 db traffic'],
    ...['142 auth verify', '142 auth start', '142 auth traffic'],
  ])
  expect(handed).toEqual([{ db: 'db' }, '/state', 'recovery'])
  expect(report.outcome).toBe('recovered')
  expect(report.steps[0]).toMatchObject({
    ...{ state: 'ready', starts: 1, found: false, beganMs: 0 },
    ...{ verifyMs: 5, startMs: 100, healthyMs: 30, trafficMs: 7, readyMs: 142 },
  })
  expect(report.figures).toEqual({ db: 142, auth: 0 })
  expect(lab.up.get('db')?.key).toBe(`${report.run}.db`)
  expect(lab.clock.sleepers).toBe(0)
})

test('slots are given to lower tiers first, and to those that a lower tier waits for', async () => {
  const lab = createLab()
  const plan = lab.plan(
    {
      batch: { tier: 3, startMs: 10 },
      mail: { tier: 2, startMs: 10 },
      disk: { tier: 3, startMs: 10 },
      db: { tier: 1, startMs: 10, needs: ['disk'] },
    },
    { slots: 1 },
  )
  const run = plan.run(lab.options())
  await lab.clock.advance(1_000)
  expect((await run).outcome).toBe('recovered')
  expect(lab.trace.filter((line) => line.endsWith('start'))).toEqual([
    ...['0 disk start', '10 db start', '20 mail start', '30 batch start'],
  ])
})

test('what depends on a failed step is skipped with the cause, and nothing else is', async () => {
  const lab = createLab()
  const plan = lab.plan({
    db: { tier: 1, startMs: 50 },
    cache: { tier: 3, start: async () => Promise.reject(new Error('no memory')) },
    views: { tier: 3, needs: ['db', 'cache'] },
    search: { tier: 3, needs: ['views'] },
    auth: { tier: 1, needs: ['db'] },
  })
  const skipped: unknown[] = []
  plan.on('skipped', ({ step, because }) => skipped.push([step, because]))
  const run = plan.run(lab.options())
  await lab.clock.advance(1_000)
  const report = await run
  expect(skipped).toEqual([
    ['views', 'cache'],
    ['search', 'cache'],
  ])
  expect(report.outcome).toBe('incomplete')
  expect(report.steps.map(({ state }) => state)).toEqual(['ready', 'failed', 'skipped', 'skipped', 'ready'])
  expect(report.steps[1]?.error).toEqual({ phase: 'start', message: 'no memory' })
  expect(report.steps[3]?.because).toBe('cache')
  expect(report.tiers.map(({ verdict }) => verdict)).toEqual(['met', 'failed'])
})

test('a verify that fails keeps it from being started', async () => {
  const lab = createLab()
  const plan = lab.plan({ db: { verify: async () => Promise.reject(new Error('bad sum')) } })
  const report = await plan.run(lab.options())
  expect(lab.trace).toEqual(['0 db verify'])
  expect(report.steps[0]?.error).toEqual({ phase: 'verify', message: 'bad sum' })
})

test('retries with backoff where it is asked for, and asks state before each further start', async () => {
  const lab = createLab()
  let calls = 0
  const plan = lab.plan({
    db: {
      start: async (_, up) => {
        calls += 1
        if (calls === 2) up() // It comes up, and then the answer is lost.
        throw new Error('connection reset')
      },
      own: { attempts: 5, backoff: { minMs: 10, factor: 2, jitter: 'none' } },
    },
  })
  const planned: unknown[] = []
  plan.on('retryPlanned', ({ phase, attempt, pauseMs }) => planned.push([phase, attempt, pauseMs]))
  const run = plan.run(lab.options())
  await lab.clock.advance(1_000)
  expect((await run).outcome).toBe('recovered')
  expect(planned).toEqual([
    ['start', 1, 10],
    ['start', 2, 20],
  ])
  expect(lab.trace).toEqual(['0 db verify', '0 db start', '10 db start', '30 db traffic'])
})

test('a state that fails lets nothing be started', async () => {
  const lab = createLab()
  const state = async (): Promise<never> => Promise.reject(new Error('cannot tell'))
  const report = await lab.plan({ db: { own: { state } } }).run(lab.options())
  expect(lab.trace).toEqual([])
  expect(report.steps[0]?.error).toMatchObject({ phase: 'state' })
})

test('healthy that reverts before traffic: the step waits until all it stands on is healthy at once', async () => {
  const lab = createLab()
  const sick = new Set<string>()
  const plan = lab.plan({
    db: { healthy: () => !sick.has('db') },
    auth: { needs: ['db'], healthy: () => !sick.has('auth') },
    web: {
      needs: ['auth'],
      start: async (_, up) => {
        sick.add('db')
        return up()
      },
    },
  })
  const reverted: unknown[] = []
  plan.on('reverted', (event) => reverted.push(event))
  const run = plan.run(lab.options())
  await lab.clock.advance(400)
  expect(lab.read().at(-1)).toBe('200 web start')
  expect(reverted).toEqual([{ step: 'web', tier: 1, unhealthy: ['db'] }])
  sick.delete('db')
  sick.add('auth')
  await lab.clock.advance(100)
  expect(lab.read()).toEqual([])
  sick.delete('auth')
  await lab.clock.advance(100)
  expect(lab.read()).toEqual(['510 web traffic'])
  expect((await run).outcome).toBe('recovered')
})

test('one that does not become healthy again gets no traffic, and fails with what was not healthy', async () => {
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
  const failed: unknown[] = []
  plan.on('failed', ({ step, error }) =>
    failed.push([step, isHoldfastError(error, 'STEP_UNHEALTHY') && error.fields]),
  )
  const run = plan.run(lab.options())
  await lab.clock.advance(5_000)
  expect((await run).outcome).toBe('incomplete')
  expect(lab.trace).not.toContain('100 web traffic')
  expect(failed).toEqual([['web', { step: 'web', unhealthy: ['db'] }]])
})

test('a check of health that hangs or rejects counts as not healthy, and is asked again', async () => {
  const lab = createLab()
  const answers: (() => Promise<boolean>)[] = [hangs, async () => Promise.reject(new Error('503'))]
  const healthy = (): Promise<boolean> => (answers.shift() ?? (async () => true))()
  const plan = lab.plan({ db: { startMs: 0, own: { healthy, checkTimeoutMs: 50, pollMs: 10 } } })
  const run = plan.run(lab.options())
  await lab.clock.advance(1_000)
  expect((await run).steps[0]).toMatchObject({ state: 'ready', healthyMs: 70 })
})

test('health is asked for once more when its time is up, however long the pauses are', async () => {
  const lab = createLab()
  const asked: number[] = []
  const healthy = async (): Promise<boolean> => {
    asked.push(lab.clock.now())
    return false
  }
  const plan = lab.plan({ db: { startMs: 0, own: { healthy, healthyTimeoutMs: 1_500, pollMs: 1_000 } } })
  const run = plan.run(lab.options())
  await lab.clock.advance(5_000)
  expect((await run).steps[0]?.error).toMatchObject({ phase: 'healthy', code: 'STEP_UNHEALTHY' })
  expect(asked).toEqual([0, 1_000, 1_500])
})

test('a start that resolves after its time is up, within the grace, counts; its signal was aborted', async () => {
  const lab = createLab()
  let reason: unknown
  const plan = lab.plan({
    db: {
      start: async ({ signal }, up) => {
        signal.addEventListener('abort', () => {
          reason = signal.reason
        })
        await lab.clock.sleep(120)
        return up()
      },
      own: { startTimeoutMs: 100, graceMs: 50 },
    },
  })
  const run = plan.run(lab.options())
  await lab.clock.advance(1_000)
  expect((await run).steps[0]).toMatchObject({ state: 'ready', startMs: 120 })
  expect(isHoldfastError(reason, 'STEP_TIMED_OUT')).toBe(true)
})

test('a start that goes on beyond the grace is never called again beside itself', async () => {
  const lab = createLab()
  const plan = lab.plan({
    db: { start: hangs, own: { startTimeoutMs: 100, graceMs: 50, attempts: 5 } },
  })
  const run = plan.run(lab.options())
  await lab.clock.advance(10_000)
  expect((await run).steps[0]?.error).toMatchObject({ phase: 'start', code: 'STEP_UNSETTLED' })
  expect(lab.trace.filter((line) => line.endsWith('start'))).toEqual(['0 db start'])
})

test.each(['state', 'verify', 'traffic'] as const)('%s has its time', async (phase) => {
  const lab = createLab()
  const heeds = ({ signal }: StepContext): Promise<never> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('gave up'))))
  const plan = lab.plan({ db: { own: { [`${phase}TimeoutMs`]: 77, [phase]: heeds } } })
  const run = plan.run(lab.options())
  await lab.clock.advance(177)
  expect((await run).steps[0]?.error).toMatchObject({ phase, code: 'STEP_TIMED_OUT' })
})

test('the RTO counts from the declaration; exceeded at the start it is told, and nothing is aborted', async () => {
  const lab = createLab()
  const plan = lab.plan({
    db: { tier: 1, startMs: 10 },
    web: { tier: 2, startMs: 400, needs: ['db'] },
    batch: { tier: 3, startMs: 500 },
  })
  const told: unknown[] = []
  plan.on('rtoExceeded', ({ tier, atMs }) => told.push(['exceeded', tier, atMs]))
  plan.on('tierReady', ({ tier, atMs }) => told.push(['ready', tier, atMs]))
  const run = plan.run(lab.options({ declaredAt: lab.clock.wall() - 9_700 }))
  await lab.clock.advance(2_000)
  const report = await run
  expect(told).toEqual([
    ...[
      ['exceeded', 1, 9_700],
      ['ready', 1, 9_710],
    ],
    ...[
      ['exceeded', 2, 10_000],
      ['ready', 2, 10_110],
      ['ready', 3, 10_200],
    ],
  ])
  expect(report.outcome).toBe('recovered')
  expect(report.tiers).toEqual([
    { tier: 1, rtoMs: 1_000, forecastMs: 9_710, readyMs: 9_710, verdict: 'missed' },
    { tier: 2, rtoMs: 10_000, forecastMs: 10_110, readyMs: 10_110, verdict: 'missed' },
    { tier: 3, rtoMs: 100_000, forecastMs: 10_200, readyMs: 10_200, verdict: 'met' },
  ])
})

test('a step of the wall clock changes no measured time; a declaration in the future counts as now', async () => {
  const lab = createLab()
  const plan = lab.plan({ db: { startMs: 100 } })
  const run = plan.run(lab.options({ declaredAt: lab.clock.wall() + 5_000 }))
  await lab.clock.advance(50)
  lab.clock.setWall(0)
  await lab.clock.advance(50)
  expect((await run).steps[0]?.readyMs).toBe(100)
})

test('ready at the RTO exactly is in time', async () => {
  const lab = createLab()
  const run = lab.plan({ db: { startMs: 100 } }, { rtoMs: { 1: 100 } }).run(lab.options())
  await lab.clock.advance(100)
  expect((await run).tiers[0]).toMatchObject({ readyMs: 100, verdict: 'met' })
})

test('a tier that was ready in time is not told to have exceeded its RTO, though the run goes on', async () => {
  const lab = createLab()
  const plan = lab.plan({ db: { tier: 1, startMs: 10 }, batch: { tier: 2, startMs: 5_000 } })
  let exceeded = 0
  plan.on('rtoExceeded', () => {
    exceeded += 1
  })
  const run = plan.run(lab.options())
  await lab.clock.advance(6_000)
  expect((await run).tiers.map(({ verdict }) => verdict)).toEqual(['met', 'met'])
  expect(exceeded).toBe(0)
})

test('the time for which the host is suspended counts for the RTO', async () => {
  const lab = createLab()
  const run = lab.plan({ db: { startMs: 100 } }).run(lab.options())
  await lab.clock.advance(50)
  lab.clock.suspend(60_000)
  await lab.clock.advance(50)
  const { tiers } = await run
  expect(tiers[0]).toMatchObject({ readyMs: 60_090, verdict: 'missed' })
})

test('a plan runs once at a time, takes no step meanwhile, and may run again', async () => {
  const lab = createLab()
  const plan = lab.plan({ db: {} })
  const running = await plan.start(lab.options())
  await expect(plan.start(lab.options())).rejects.toMatchObject({ code: 'RECOVERY_ALREADY_RUNNING' })
  expect(() => plan.step('late' as never, {} as never)).toThrow('running')
  await lab.clock.advance(200)
  await running.finished
  const again = plan.run(lab.options())
  await lab.clock.advance(200)
  expect((await again).outcome).toBe('recovered')
})

test('close aborts what is in hand, begins nothing more, and what was started stays up', async () => {
  const lab = createLab()
  let aborted: unknown
  const plan = lab.plan({
    db: { startMs: 10 },
    web: {
      needs: ['db'],
      start: ({ signal }) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            aborted = signal.reason
            reject(signal.reason)
          }),
        ),
    },
    shop: { needs: ['web'] },
  })
  const running = await plan.start(lab.options())
  await lab.clock.advance(50)
  await running.close()
  await running.close()
  expect(isHoldfastError(aborted, 'RECOVERY_CLOSED')).toBe(true)
  await expect(running.finished).rejects.toBe(aborted)
  await expect(running.exited).rejects.toBe(aborted)
  expect([...lab.up.keys()]).toEqual(['db'])
  expect(running.report()).toMatchObject({
    steps: [{ state: 'ready' }, { state: 'working' }, { state: 'pending' }],
  })
  expect(running.report().outcome).toBeUndefined()
  expect(lab.clock.sleepers).toBe(0)
})

test('a start waits until its own record is durable, a dependent until that of what it needs is, and nothing else waits', async () => {
  const lab = createLab()
  const journal = slowJournal(lab.clock)
  const plan = lab.plan({ db: { startMs: 100 }, web: { needs: ['db'], startMs: 100 } })
  const run = plan.run(lab.options({ journal }))
  await lab.clock.advance(2_000)
  await run
  expect(lab.trace).toEqual([
    ...['0 db verify', '50 db start', '150 db traffic'],
    ...['200 web verify', '250 web start', '350 web traffic'],
  ])
})

test('when close returns, nothing is left to be written', async () => {
  const lab = createLab()
  const journal = slowJournal(lab.clock)
  const running = await lab.plan({ db: { verifyMs: 10, startMs: 500 } }).start(lab.options({ journal }))
  await lab.clock.advance(12)
  const closed = running.close().then(() => journal.records.length)
  await lab.clock.advance(1_000)
  expect(await closed).toBe(journal.records.length)
  expect(journal.records.length).toBeGreaterThan(2)
})

test("the caller's signal ends the run with its own reason, also before it began and in a pause", async () => {
  const lab = createLab()
  const plan = lab.plan({
    db: {
      start: async () => Promise.reject(new Error('no')),
      own: { attempts: Number.POSITIVE_INFINITY },
    },
  })
  const reason = new Error('operator went home')
  await expect(plan.run(lab.options({ signal: AbortSignal.abort(reason) }))).rejects.toBe(reason)
  const stop = new AbortController()
  const run = plan.run(lab.options({ signal: stop.signal }))
  await lab.clock.advance(5)
  stop.abort(reason)
  await expect(run).rejects.toBe(reason)
  expect(lab.clock.sleepers).toBe(0)
})

test('an abort while the run is being written down rejects the start, before anything is called', async () => {
  const lab = createLab()
  const stop = new AbortController()
  const journal = createMemoryJournal()
  const aborting: typeof journal = {
    ...journal,
    append: async (record) => {
      stop.abort(new Error('never mind'))
      await journal.append(record)
    },
  }
  let asked = 0
  const state = async (): Promise<undefined> => {
    asked += 1
  }
  const plan = lab.plan({ db: { own: { state } } })
  await expect(plan.start(lab.options({ journal: aborting, signal: stop.signal }))).rejects.toThrow(
    'never mind',
  )
  expect(asked).toBe(0)
})

test('an abort by a listener of its begin ends the run', async () => {
  const lab = createLab()
  const stop = new AbortController()
  const plan = lab.plan({ db: {} })
  plan.on('began', () => stop.abort(new Error('not now')))
  const running = await plan.start(lab.options({ signal: stop.signal }))
  await lab.clock.advance(1_000)
  await expect(running.finished).rejects.toThrow('not now')
  expect(lab.up.size).toBe(0)
})

test('exited tells a run that came to its end without some steps', async () => {
  const lab = createLab()
  const running = await lab
    .plan({ db: { verify: async () => Promise.reject(new Error('no')) } })
    .start(lab.options())
  await expect(running.exited).rejects.toMatchObject({
    code: 'RECOVERY_INCOMPLETE',
    fields: { missing: ['db'] },
  })
  const fine = await createLab().plan({}).start(lab.options())
  await expect(fine.exited).resolves.toBeUndefined()
})

test('a journal that fails in the middle is told, and the run goes on', async () => {
  const lab = createLab()
  const journal = createMemoryJournal()
  let left = 2
  const failing = {
    ...journal,
    append: async (...args: Parameters<typeof journal.append>) => {
      left -= 1
      if (left < 0) throw new Error('disk full')
      await journal.append(...args)
    },
  }
  const plan = lab.plan({ db: {} })
  let told = 0
  plan.on('journalFailed', () => {
    told += 1
  })
  const run = plan.run(lab.options({ journal: failing }))
  await lab.clock.advance(200)
  expect((await run).outcome).toBe('recovered')
  expect(told).toBe(6)
  left = 0
  await expect(plan.run(lab.options({ journal: { ...failing, read: async () => [] } }))).rejects.toThrow(
    'disk full',
  )
})

test('stats count the steps', async () => {
  const lab = createLab()
  const running = await lab.plan({ db: {}, web: { needs: ['db'] } }).start(lab.options())
  await lab.clock.advance(150)
  const stats = running.stats?.() ?? {}
  const values = Object.fromEntries(Object.entries(stats).map(([name, { value }]) => [name, value]))
  expect(values).toMatchObject({ recovery_steps: 2, recovery_steps_ready: 1, recovery_steps_working: 1 })
  await lab.clock.advance(150)
  await running.finished
})

test('a plan of many steps on one another makes Node warn of nothing', async () => {
  const lab = createLab()
  const names = Array.from({ length: 15 }, (_, at) => `s${at}`)
  const services = names.map((name, at) => [name, { startMs: 0, needs: names.slice(0, at) }] as const)
  const warnings: unknown[] = []
  const listen = (warning: unknown): unknown => warnings.push(warning)
  process.on('warning', listen)
  const run = lab.plan(Object.fromEntries(services), { slots: 20 }).run(lab.options())
  await lab.clock.advance(100)
  expect((await run).outcome).toBe('recovered')
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', listen)
  expect(warnings).toEqual([])
})

/** Every record but the first is durable only after a while. */
function slowJournal(clock: FakeClock) {
  const journal = createMemoryJournal()
  return {
    ...journal,
    append: async (record: JournalRecord) => {
      if (record.type !== 'declared') await clock.sleep(50)
      await journal.append(record)
    },
  }
}
