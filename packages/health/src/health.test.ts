import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Check, CheckReport, Observation } from './check.ts'
import { type Health, type HealthOptions, startHealth } from './health.ts'

let clock: FakeClock
let health: Health | undefined

beforeEach(() => {
  clock = createFakeClock()
})

afterEach(async () => {
  await health?.close()
  expect(clock.sleepers).toBe(0)
})

/** All pauses are whole: nothing is spread. */
function start(options: HealthOptions = {}): Health {
  health = startHealth({ clock, random: () => 1, eventLoop: false, ...options })
  return health
}

/** A check that does what the test says next: pass, fail, or hang. */
function scripted(
  name: string,
  options: Partial<Check> = {},
): Check & { does: 'pass' | 'fail' | 'hang'; runs: number } {
  const check = {
    name,
    intervalMs: 1_000,
    timeoutMs: 500,
    failAfter: 1,
    ...options,
    does: 'pass' as 'pass' | 'fail' | 'hang',
    runs: 0,
    async run(): Promise<Observation> {
      check.runs += 1
      if (check.does === 'hang') await new Promise(() => {})
      if (check.does === 'fail') throw new Error('down')
      return {}
    },
  }
  return check
}

function statuses(): Record<string, string> {
  return Object.fromEntries(health!.reports().map(({ name, status }) => [name, status]))
}

test('a gate without checks passes, and a check is unknown until its first result', async () => {
  const { probe, add } = start()
  expect([probe('startup').ok, probe('ready').ok, probe('live').ok]).toEqual([true, true, true])
  add(scripted('db'))
  expect(probe('ready')).toMatchObject({ ok: false, status: 'unknown', why: ['db is unknown'] })
  await clock.advance(0)
  expect(probe('ready')).toMatchObject({ ok: true, status: 'pass', why: [] })
})

test('probing does no I/O: a check runs once an interval, however often it is asked about', async () => {
  const db = scripted('db')
  const { probe } = start({ checks: [db] })
  for (let second = 0; second < 5; second += 1) {
    for (let ask = 0; ask < 100; ask += 1) probe('ready')
    await clock.advance(1_000)
  }
  expect(db.runs).toBe(6)
})

test('hysteresis: flapping exactly at the thresholds', async () => {
  const db = scripted('db', { passAfter: 2, failAfter: 3 })
  const { probe } = start({ checks: [db] })
  await clock.advance(0)
  expect(probe('ready').status).toBe('unknown')
  await clock.advance(1_000)
  expect(probe('ready').status).toBe('pass')
  for (const does of ['fail', 'fail', 'pass', 'fail', 'fail'] as const) {
    db.does = does
    await clock.advance(1_000)
    expect(probe('ready').status).toBe('pass')
  }
  await clock.advance(1_000)
  expect(probe('ready')).toMatchObject({ status: 'fail', why: ['db is fail: Error'] })
  db.does = 'pass'
  await clock.advance(1_000)
  expect(probe('ready').status).toBe('fail')
  await clock.advance(1_000)
  expect(probe('ready').status).toBe('pass')
})

test('a timeout is a failure, and a pass that comes after it is dropped', async () => {
  let signal: AbortSignal | undefined
  const late: Check = {
    name: 'late',
    intervalMs: 1_000,
    timeoutMs: 500,
    failAfter: 1,
    run: async (given) => {
      signal = given
      await clock.sleep(600)
      return { output: 'much too late' }
    },
  }
  const { probe } = start({ checks: [late] })
  await clock.advance(499)
  expect(signal?.aborted).toBe(false)
  await clock.advance(1)
  expect(signal?.aborted).toBe(true)
  await clock.advance(200)
  expect(probe('ready').checks[0]).toMatchObject({ status: 'fail', failures: 1, ageMs: undefined })
  expect(probe('ready').why[0]).toMatch(/^late is fail: CHECK_TIMEOUT/)
  await clock.advance(1_500)
})

test('a check that hangs shows within staleAfterMs, though its failures are not yet enough', async () => {
  const db = scripted('db', { failAfter: 100, staleAfterMs: 2_000 })
  const { probe } = start({ checks: [db] })
  await clock.advance(0)
  db.does = 'hang'
  await clock.advance(2_000)
  expect(probe('ready').status).toBe('pass')
  await clock.advance(1)
  expect(probe('ready')).toMatchObject({ ok: false, status: 'unknown' })
})

test('runs that never end are left behind three times, then not started again; one end starts them anew', async () => {
  const ends: (() => void)[] = []
  const stuck: Check = {
    name: 'stuck',
    intervalMs: 1_000,
    timeoutMs: 500,
    run: () => new Promise((resolve) => ends.push(resolve)),
  }
  const { probe } = start({ checks: [stuck] })
  await clock.advance(10_000)
  expect(ends.length).toBe(3)
  expect(probe('ready').status).toBe('fail')
  ends[0]!()
  await clock.advance(1_500)
  expect(ends.length).toBe(4)
})

test('a failed need blocks and is the only failure; who was blocked runs at once when it is back', async () => {
  const disk = scripted('disk')
  const db = scripted('db', { needs: ['disk'], intervalMs: 60_000, staleAfterMs: 200_000 })
  const api = scripted('api', { needs: ['db'] })
  disk.does = 'fail'
  const { probe } = start({ checks: [api, db, disk] })
  await clock.advance(3_000)
  expect(db.runs + api.runs).toBe(0)
  expect(probe('ready').checks.map(({ name, status, blockedBy }) => [name, status, blockedBy])).toEqual([
    ['api', 'unknown', ['disk']],
    ['db', 'unknown', ['disk']],
    ['disk', 'fail', []],
  ])
  expect(probe('ready')).toMatchObject({
    status: 'fail',
    why: ['api is blocked by disk', 'db is blocked by disk', 'disk is fail: Error'],
  })
  disk.does = 'pass'
  await clock.advance(1_000)
  expect(statuses()).toEqual({ api: 'pass', db: 'pass', disk: 'pass' })
  expect([db.runs, api.runs]).toEqual([1, 1])
})

test('needs in a ring are refused at the start and when added, and nothing of it stays', () => {
  expect(() => start({ checks: [scripted('a', { needs: ['b'] }), scripted('b', { needs: ['a'] })] })).toThrow(
    'a → b → a',
  )
  const { add, reports } = start({ checks: [scripted('a')] })
  const removeB = add(scripted('b', { needs: ['a'] }))
  expect(() => add(scripted('c', { needs: ['nobody'] }))).toThrow("'nobody'")
  removeB()
  add([scripted('b'), scripted('c', { needs: ['b'] })])
  expect(() => add([scripted('d'), scripted('a')])).toThrow(/unique.*'a'/)
  expect(reports().map(({ name }) => name)).toEqual(['a', 'b', 'c'])
})

test('a soft check warns and never closes a gate', async () => {
  const cache = scripted('cache', { soft: true })
  const { probe } = start({ checks: [scripted('db'), cache] })
  expect(probe('ready').status).toBe('unknown')
  await clock.advance(0)
  expect(probe('ready').status).toBe('pass')
  cache.does = 'fail'
  await clock.advance(1_000)
  expect(probe('ready')).toMatchObject({ ok: true, status: 'warn', why: [] })
  expect(statuses()).toEqual({ db: 'pass', cache: 'warn' })
})

test('startup asks that each check has passed once, and ready waits for startup', async () => {
  const migrated = scripted('migrated', { gates: ['startup'] })
  migrated.does = 'fail'
  const { probe, fail } = start({ checks: [migrated] })
  const release = fail('startup', 'the config is not here yet')
  await clock.advance(0)
  expect(probe('startup').why).toEqual(['the config is not here yet', 'migrated is fail: Error'])
  expect(probe('ready')).toMatchObject({ ok: false, why: probe('startup').why })
  release()
  release()
  migrated.does = 'pass'
  await clock.advance(1_000)
  expect([probe('startup').ok, probe('ready').ok]).toEqual([true, true])
  migrated.does = 'fail'
  await clock.advance(5_000)
  expect([probe('startup').ok, probe('ready').ok]).toEqual([true, true])
})

test('SIGTERM during startup: ready and startup fail, live passes', async () => {
  const { probe, fail, drain } = start({ drainDelayMs: 3_000 })
  fail('startup', 'starting')
  const drained = drain()
  expect([probe('startup').ok, probe('ready').ok, probe('live').ok]).toEqual([false, false, true])
  await clock.advance(3_000)
  await drained
})

test('draining fails ready at once and waits drainDelayMs; twice is once; a signal ends the waiting alone', async () => {
  const { probe, drain } = start({ checks: [scripted('db')], drainDelayMs: 3_000 })
  await clock.advance(0)
  const ends: string[] = []
  const first = drain().then(() => ends.push(`first at ${clock.now()}`))
  expect(probe('ready')).toMatchObject({ ok: false, status: 'fail', why: ['this process is stopping'] })
  expect(probe('live').ok).toBe(true)
  await clock.advance(2_000)
  const second = drain().then(() => ends.push(`second at ${clock.now()}`))
  await expect(drain({ signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  await clock.advance(999)
  expect(ends).toEqual([])
  await clock.advance(1)
  await Promise.all([first, second])
  expect(ends).toEqual(['first at 3000', 'second at 3000'])
  expect(probe('ready').why).toEqual(['this process is stopping'])
})

test('closing twice is once; then ready fails, live passes, nothing runs and nothing can be added', async () => {
  const db = scripted('db')
  const own = start({
    checks: [db, scripted('hung', { gates: [], timeoutMs: 60_000, staleAfterMs: 61_000 })],
  })
  await clock.advance(0)
  await Promise.all([own.close(), own.close()])
  const { runs } = db
  await clock.advance(100_000)
  expect(db.runs).toBe(runs)
  expect([own.probe('ready').ok, own.probe('live').ok]).toEqual([false, true])
  expect(() => own.add(scripted('late'))).toThrow(expect.objectContaining({ code: 'HEALTH_CLOSED' }))
})

test('closing aborts what runs and drops its result', async () => {
  let reason: string | undefined
  const slow = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      signal.addEventListener('abort', () => {
        reason = 'aborted'
        resolve()
      })
    })
  const own = start({ checks: [{ name: 'slow', run: slow }] })
  await clock.advance(0)
  await own.close()
  expect(reason).toBe('aborted')
  expect(own.reports()[0]).toMatchObject({ status: 'unknown', failures: 0 })
})

test('a removed check blocks who needs it until it is back', async () => {
  const { add, probe } = start()
  const remove = add(scripted('db'))
  add(scripted('api', { needs: ['db'] }))
  await clock.advance(0)
  expect(probe('ready').ok).toBe(true)
  remove()
  remove()
  expect(probe('ready').why).toEqual(['api is blocked by db'])
  const again = add(scripted('db'))
  remove()
  await clock.advance(0)
  expect(probe('ready').ok).toBe(true)
  again()
})

test('changes are told once each, checks before the gates that they turn, staleness too', async () => {
  const db = scripted('db', { failAfter: 100, staleAfterMs: 2_500 })
  const { on, fail } = start({ checks: [db] })
  const told: string[] = []
  on('changed', ({ name, status }, was) => told.push(`${clock.now()} ${name} ${was} → ${status}`))
  on('gateChanged', ({ gate, status }, was) => told.push(`${clock.now()} ${gate} ${was} → ${status}`))
  await clock.advance(1_000)
  db.does = 'hang'
  await clock.advance(5_000)
  fail('live', 'deadlocked')()
  expect(told).toEqual([
    '0 db unknown → pass',
    '0 ready unknown → pass',
    '4000 db pass → unknown',
    '4000 ready pass → unknown',
    '6000 live pass → fail',
    '6000 live fail → pass',
  ])
})

test('isOpen says at every moment what probe says, whatever turns and however long nothing does', async () => {
  const random = createSeededRandom(7)
  const db = scripted('db', { staleAfterMs: 1_600 })
  const { isOpen, probe, fail } = start({ checks: [db, scripted('migrated', { gates: ['startup'] })] })
  const seen = new Set<boolean>()
  let release = (): void => {}
  for (let step = 0; step < 300; step += 1) {
    const dice = random()
    if (dice < 0.3) db.does = dice < 0.1 ? 'hang' : dice < 0.2 ? 'fail' : 'pass'
    if (dice > 0.95) release = fail('startup', 'paused')
    if (dice > 0.6 && dice < 0.8) release()
    await clock.advance(400 * random())
    for (const gate of ['startup', 'ready', 'live'] as const) expect(isOpen(gate)).toBe(probe(gate).ok)
    seen.add(isOpen('ready'))
  }
  expect(seen.size).toBe(2)
})

test('since when: from the look that saw it turn, staleness too, and anew for what was removed and added again', async () => {
  const db = scripted('db', { staleAfterMs: 2_000 })
  const { add, probe, reports, on } = start()
  const turned: number[] = []
  on('changed', ({ sinceMs }) => turned.push(sinceMs))
  const since = (): [string, number] => [reports()[0]!.status, reports()[0]!.sinceMs]
  const remove = add(db)
  await clock.advance(1_500)
  expect([since(), probe('ready').sinceMs]).toEqual([['pass', 1_500], 1_500])
  db.does = 'fail'
  await clock.advance(1_000)
  expect([since(), probe('ready').sinceMs, probe('live').sinceMs]).toEqual([['fail', 500], 500, 2_500])
  db.does = 'hang'
  await clock.advance(500)
  clock.stall(10_000)
  expect(since()).toEqual(['unknown', 0])
  await clock.advance(100)
  expect(since()).toEqual(['unknown', 100])
  remove()
  add(scripted('db'))
  expect(since()).toEqual(['unknown', 0])
  expect(turned).toEqual([0, 0, 0])
})

test('isOpen sees a pass go stale in the very millisecond, though another is fresh for longer and no timer has run', async () => {
  const db = scripted('db', { staleAfterMs: 1_600, failAfter: 100 })
  const { isOpen } = start({ checks: [db, scripted('cache', { staleAfterMs: 60_000 })] })
  await clock.advance(0)
  db.does = 'hang'
  await clock.advance(1_550)
  expect(isOpen('ready')).toBe(true)
  clock.stall(50)
  expect(isOpen('ready')).toBe(true)
  clock.stall(1)
  expect(isOpen('ready')).toBe(false)
})

test('a check that is removed and added again is told of anew', async () => {
  const { add, on } = start()
  const told: string[] = []
  on('changed', ({ name, status }, was) => told.push(`${name} ${was} → ${status}`))
  const remove = add(scripted('db'))
  await clock.advance(0)
  remove()
  await clock.advance(0)
  add(scripted('db'))
  await clock.advance(0)
  expect(told).toEqual(['db unknown → pass', 'db unknown → pass'])
})

test('the failure itself reaches the listener of changed, and no message of a foreign error is shown', async () => {
  const secret = Object.assign(new Error('postgres://admin:hunter2@db refused'), { code: 'ECONNREFUSED' })
  const { on, probe } = start({ checks: [{ name: 'db', failAfter: 1, run: () => Promise.reject(secret) }] })
  const heard: CheckReport[] = []
  on('changed', (report) => heard.push(report))
  await clock.advance(0)
  expect(heard[0]?.error).toBe(secret)
  expect(probe('ready').why).toEqual(['db is fail: ECONNREFUSED'])
})

test('the wall clock set back an hour changes nothing', async () => {
  const db = scripted('db')
  const { probe } = start({ checks: [db] })
  await clock.advance(1_500)
  clock.setWall(clock.wall() - 3_600_000)
  expect(probe('ready').checks[0]).toMatchObject({ status: 'pass', ageMs: 500 })
  await clock.advance(10_000)
  expect(db.runs).toBe(12)
})

test('a block of the loop for 30 s: no check fails for it, its pass is stale until the next answer, live goes on', async () => {
  let answer: (() => void) | undefined
  const remote: Check = {
    name: 'remote',
    intervalMs: 1_000,
    timeoutMs: 500,
    failAfter: 1,
    run: () => new Promise((resolve) => (answer = resolve)),
  }
  const lag = { worst: 0, read: () => lag.worst, close: () => {} }
  const { probe, reports } = start({ checks: [remote], eventLoop: { source: lag } })
  await clock.advance(0)
  answer?.()
  await clock.advance(1_200)
  lag.worst = 30_000
  clock.stall(30_000)
  expect(probe('ready').status).toBe('unknown')
  await clock.advance(0)
  expect(reports().find(({ name }) => name === 'remote')?.failures).toBe(0)
  expect(probe('live')).toMatchObject({ ok: true })
  lag.worst = 0
  answer?.()
  await clock.advance(0)
  expect(probe('ready').status).toBe('pass')
})

test('a check that itself blocks the loop is run again once at once, then waits as ever', async () => {
  const began: number[] = []
  const heavy: Check = {
    name: 'heavy',
    intervalMs: 10_000,
    timeoutMs: 500,
    run: async () => {
      began.push(clock.now())
      clock.stall(3_000)
      await clock.sleep(0)
    },
  }
  start({ checks: [heavy] })
  await clock.advance(40_000)
  expect(began).toEqual([0, 3_000, 16_000, 19_000, 32_000, 35_000])
})

test('the event loop lagging again and again makes live fail, and only that', async () => {
  const lag = { worst: 1_001, read: () => lag.worst, close: () => {} }
  const { probe } = start({ eventLoop: { source: lag, maxLagMs: 1_000, failAfter: 3 } })
  await clock.advance(1_999)
  expect(probe('live').ok).toBe(true)
  await clock.advance(1)
  expect(probe('live').ok).toBe(false)
  expect(probe('live').why[0]).toContain('1001 ms')
  expect(probe('ready').ok).toBe(true)
  lag.worst = 1_000
  await clock.advance(1_000)
  expect(probe('live').ok).toBe(true)
})

test('many checks added together do not run in step', async () => {
  const began = new Map<number, number>()
  const checks = Array.from({ length: 200 }, (_, at) => ({
    name: `check-${at}`,
    intervalMs: 1_000,
    run: async () => {
      began.set(Math.floor(clock.now() / 100), (began.get(Math.floor(clock.now() / 100)) ?? 0) + 1)
    },
  }))
  start({ checks, random: createSeededRandom(1) })
  await clock.advance(2_000)
  const perTenth = [...began].filter(([tenth]) => tenth >= 10 && tenth < 20).map(([, runs]) => runs)
  expect(perTenth.length).toBe(10)
  expect(Math.max(...perTenth)).toBeLessThan(40)
  expect([...began.values()].reduce((sum, runs) => sum + runs, 0)).toBe(3 * 200) // at once, within an interval, an interval later
})

test('bad options are refused at once, and leave no timer', () => {
  expect(() => startHealth({ drainDelayMs: -1 })).toThrow(/drainDelayMs/)
  expect(() => startHealth({ clock, eventLoop: { maxLagMs: -1 } })).toThrow(/maxLagMs/)
  expect(() => startHealth({ clock, eventLoop: {}, checks: [scripted('event-loop')] })).toThrow(/unique/)
  const { fail } = start()
  expect(() => fail('alive' as never, 'x')).toThrow(/gate/)
  expect(() => fail('ready', '')).toThrow(/why/)
})

test('figures count runs, failures and how checks stand', async () => {
  const db = scripted('db')
  const { stats } = start({ checks: [db, scripted('cache', { soft: true })] })
  await clock.advance(0)
  db.does = 'fail'
  await clock.advance(1_000)
  db.does = 'hang'
  await clock.advance(1_500)
  const values = Object.fromEntries(Object.entries(stats!()).map(([name, { value }]) => [name, value]))
  expect(values).toEqual({
    health_checks: 2,
    health_checks_failing: 1,
    health_checks_warning: 0,
    health_checks_unknown: 0,
    health_runs_total: 6,
    health_run_failures_total: 2,
    health_run_timeouts_total: 1,
  })
})
