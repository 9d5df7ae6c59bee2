import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Health, startHealth } from '../health.ts'
import { planNotify } from './environment.ts'
import { type SystemdNotifyOptions, startSystemdNotify } from './notify.ts'

let clock: FakeClock
let health: Health
let told: string[]

beforeEach(() => {
  clock = createFakeClock()
  health = startHealth({ clock, random: () => 1, eventLoop: false })
  told = []
})

afterEach(async () => {
  await health.close()
  expect(clock.sleepers).toBe(0)
})

function options(environment: object): SystemdNotifyOptions {
  const send = async (assignments: readonly string[]): Promise<void> => {
    told.push(`${clock.now()} ${assignments.join(' ')}`)
  }
  return { health, clock, send, environment: { NOTIFY_SOCKET: '/run/notify', ...environment } }
}

test('READY=1 once, when startup passes; STATUS as ready goes; STOPPING=1 once', async () => {
  const started = health.fail('startup', 'reading the config')
  const notify = startSystemdNotify(options({}))
  const taken: string[] = []
  notify.on('notified', (assignments) => taken.push(`${clock.now()} ${assignments.join(' ')}`))
  await clock.advance(1_000)
  started()
  await clock.advance(1_000)
  const back = health.fail('ready', 'paused')
  await clock.advance(0)
  back()
  await notify.drain()
  await Promise.all([notify.drain(), notify.close(), notify.close()])
  health.fail('ready', 'too late')
  await clock.advance(1_000)
  expect(told).toEqual([
    '0 STATUS=not ready: reading the config',
    '1000 READY=1 STATUS=ready',
    '2000 STATUS=not ready: paused',
    '2000 STATUS=ready STOPPING=1',
  ])
  expect(taken).toEqual(told)
})

test('STOPPING=1 as soon as the health drains, long before this is closed; the watchdog is fed to the end', async () => {
  const notify = startSystemdNotify(options({ WATCHDOG_USEC: '4000000' }))
  await clock.advance(1_000)
  const drained = health.drain()
  await clock.advance(2_000)
  expect(told).toEqual([
    '0 WATCHDOG=1 READY=1 STATUS=ready',
    '1000 STATUS=not ready: this process is stopping STOPPING=1',
    '2000 WATCHDOG=1',
  ])
  await clock.advance(3_000)
  await drained
  await notify.close()
  expect(told.filter((line) => line.includes('STOPPING')).length).toBe(1)
})

test('the watchdog is fed at half its time, from the loop, and only while live passes', async () => {
  const notify = startSystemdNotify(options({ WATCHDOG_USEC: '3000000', WATCHDOG_PID: String(process.pid) }))
  const feeds = (): string[] => told.filter((line) => line.includes('WATCHDOG'))
  await clock.advance(4_000)
  expect(feeds()).toEqual(['0 WATCHDOG=1 READY=1 STATUS=ready', '1500 WATCHDOG=1', '3000 WATCHDOG=1'])
  const revive = health.fail('live', 'deadlocked')
  await clock.advance(6_000)
  expect(feeds().length).toBe(3)
  revive()
  await clock.advance(1_500)
  expect(feeds().length).toBe(4)
  clock.stall(60_000)
  await clock.advance(0)
  expect(feeds().length).toBe(5)
  await notify.close()
})

test('what could not be told is told again every second, but for old signs of life; STOPPING=1 is tried once', async () => {
  const errors: unknown[] = []
  let broken = true
  const send = async (assignments: readonly string[]): Promise<void> => {
    told.push(`${clock.now()} ${assignments.join(' ')}`)
    if (broken) throw new Error('ENOENT')
  }
  const notify = startSystemdNotify({ ...options({ WATCHDOG_USEC: '60000000' }), send })
  notify.on('failed', (error) => errors.push(error))
  await clock.advance(1_500)
  const back = health.fail('ready', 'paused')
  broken = false
  await clock.advance(1_500)
  expect(told).toEqual([
    '0 WATCHDOG=1 READY=1 STATUS=ready',
    '1000 READY=1 STATUS=ready',
    '2000 READY=1 STATUS=not ready: paused',
  ])
  expect(errors).toMatchObject([{ code: 'NOTIFY_FAILED', cause: new Error('ENOENT') }, {}])
  back()
  broken = true
  await clock.advance(0)
  await notify.close()
  expect(told.slice(3)).toEqual(['3000 STATUS=ready', '3000 STATUS=ready STOPPING=1'])
})

test('STOPPING=1 is told though the message before it failed meanwhile, and READY=1 is not told after it', async () => {
  let fail = (): void => {}
  const send = (assignments: readonly string[]): Promise<void> => {
    told.push(assignments.join(' '))
    return new Promise((_, reject) => {
      fail = () => reject(new Error('EAGAIN'))
    })
  }
  const notify = startSystemdNotify({ ...options({}), send })
  await clock.advance(0)
  void health.drain()
  fail()
  await clock.advance(0)
  expect(told).toEqual(['READY=1 STATUS=ready', 'STATUS=not ready: this process is stopping STOPPING=1'])
  fail()
  await notify.close()
})

test('READY=1 that was not sent yet is not sent once the stop has begun', async () => {
  const notify = startSystemdNotify(options({}))
  await notify.drain()
  await notify.close()
  expect(told).toEqual(['0 STATUS=ready STOPPING=1'])
})

test('while one message is under way, the next gathers the latest of each', async () => {
  let taken = (): void => {}
  const send = (assignments: readonly string[]): Promise<void> => {
    told.push(assignments.join(' '))
    return new Promise((resolve) => {
      taken = resolve
    })
  }
  const notify = startSystemdNotify({ ...options({}), send })
  await clock.advance(0)
  health.fail('ready', 'first')
  health.fail('ready', 'second')
  await clock.advance(0)
  taken()
  await clock.advance(0)
  expect(told).toEqual(['READY=1 STATUS=ready', 'STATUS=not ready: first'])
  taken()
  await clock.advance(5_000)
  expect(told[2]).toBe('STATUS=not ready: first; second')
  const closed = notify.close()
  taken()
  await clock.advance(0)
  taken()
  await closed
  expect(told.slice(3)).toEqual(['STOPPING=1 STATUS=not ready: first; second'])
})

test('where systemd asks for nothing, nothing is sent', async () => {
  expect(planNotify({}, 1)).toBeUndefined()
  expect(planNotify({ NOTIFY_SOCKET: '/s' }, 1)?.watchdogEveryMs).toBeUndefined()
  expect(planNotify({ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '2000000' }, 1)?.watchdogEveryMs).toBe(1_000)
  expect(
    planNotify({ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: '2000000', WATCHDOG_PID: '2' }, 1)?.watchdogEveryMs,
  ).toBeUndefined()
  expect(planNotify({ NOTIFY_SOCKET: '/s', WATCHDOG_USEC: 'soon' }, 1)?.watchdogEveryMs).toBeUndefined()
  const notify = startSystemdNotify({ ...options({}), environment: {} })
  await clock.advance(1_000)
  await notify.close()
  expect(told).toEqual([])
})

test('what is no health is refused at once', () => {
  expect(() => startSystemdNotify({ ...options({}), health: {} as never })).toThrow('health must have probe')
})
