import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { type Beat, startHeartbeat } from './heartbeat.ts'

test('each beat carries incarnation, sequence and interval; closing in mid-pause ends it', async () => {
  const clock = createFakeClock()
  const beats: [number, Beat][] = []
  const heartbeat = startHeartbeat({
    send: async (beat) => beats.push([clock.now(), beat]),
    intervalMs: 1_000,
    incarnation: 7,
    clock,
  })
  await clock.advance(2_500)
  await heartbeat.close()
  await clock.advance(5_000)
  expect(beats).toEqual([
    [0, { incarnation: 7, sequence: 1, intervalMs: 1_000 }],
    [1_000, { incarnation: 7, sequence: 2, intervalMs: 1_000 }],
    [2_000, { incarnation: 7, sequence: 3, intervalMs: 1_000 }],
  ])
  expect(clock.sleepers).toBe(0)
})

test('what is missed is told with how many in a row, which a beat that arrives ends; none follows its close', async () => {
  const clock = createFakeClock()
  const script = ['down', 'up', 'down', 'down', 'hang']
  const told: string[] = []
  let overlapping = 0
  const heartbeat = startHeartbeat({
    intervalMs: 1_000,
    timeoutMs: 60_000,
    clock,
    send: async (_, signal) => {
      overlapping += 1
      expect(overlapping).toBe(1)
      const does = script.shift()
      if (does === 'hang') await new Promise((resolve) => signal.addEventListener('abort', resolve))
      await clock.sleep(1)
      overlapping -= 1
      if (does === 'down') throw new Error('down')
    },
  })
  heartbeat.on('missed', (_, inARow) => told.push(`missed ${inARow} at ${clock.now()}`))
  heartbeat.on('sent', ({ sequence }) => told.push(`sent ${sequence} at ${clock.now()}`))
  await clock.advance(4_500)
  const stats = Object.fromEntries(
    Object.entries(heartbeat.stats()).map(([name, { value }]) => [name, value]),
  )
  const closing = heartbeat.close()
  await clock.advance(1)
  await closing
  told.push('closed')
  await clock.advance(10_000)
  expect(told).toEqual(['missed 1 at 1', 'sent 2 at 1002', 'missed 1 at 2003', 'missed 2 at 3004', 'closed'])
  expect(stats).toEqual({ heartbeat_sent_total: 1, heartbeat_missed_total: 3 })
})

test('a send whose time is up is aborted and missed; the next one follows', async () => {
  const clock = createFakeClock()
  const errors: unknown[] = []
  const signals: AbortSignal[] = []
  const send = (_: Beat, signal: AbortSignal): Promise<void> => {
    signals.push(signal)
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  const heartbeat = startHeartbeat({ send, intervalMs: 1_000, timeoutMs: 400, clock })
  heartbeat.on('missed', (error) => errors.push(error))
  await clock.advance(1_500)
  expect(errors).toMatchObject([{ code: 'BEAT_TIMEOUT' }])
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
  await heartbeat.close()
  await heartbeat.close()
  expect(signals[1]?.aborted).toBe(true)
})

test('a send that is deaf to its signal holds up the next one, is told of at every interval, and close waits for it', async () => {
  const clock = createFakeClock()
  const sent: number[] = []
  const told: string[] = []
  let settle = (): void => {}
  const heartbeat = startHeartbeat({
    intervalMs: 1_000,
    timeoutMs: 400,
    clock,
    send: ({ sequence }) => {
      sent.push(sequence)
      return new Promise((resolve) => {
        settle = () => resolve(undefined)
      })
    },
  })
  heartbeat.on('missed', (_, inARow) => told.push(`missed ${inARow} at ${clock.now()}`))
  heartbeat.on('sent', ({ sequence }) => told.push(`sent ${sequence} at ${clock.now()}`))
  await clock.advance(2_500)
  expect(sent).toEqual([1])
  settle()
  await clock.advance(1_000)
  expect(sent).toEqual([1, 2])
  settle()
  await clock.advance(1_000)
  expect(told).toEqual(['missed 1 at 400', 'missed 2 at 1400', 'missed 3 at 2400', 'sent 2 at 3500'])
  await clock.advance(300)
  let closed = false
  const closing = heartbeat.close().then(() => {
    closed = true
  })
  await clock.advance(5_000)
  expect([closed, sent]).toEqual([false, [1, 2, 3]])
  settle()
  await closing
  expect(told.length).toBe(4)
})

test('the incarnation is the wall clock at the start unless given, and a send that throws at once is only missed', async () => {
  const clock = createFakeClock({ wall: 1_234.5 })
  const beats: Beat[] = []
  let missed = 0
  const heartbeat = startHeartbeat({
    clock,
    send: (beat) => {
      beats.push(beat)
      throw new Error('bug')
    },
  })
  heartbeat.on('missed', () => {
    missed += 1
  })
  clock.setWall(0)
  await clock.advance(5_000)
  await heartbeat.close()
  expect(beats).toEqual([
    { incarnation: 1_234, sequence: 1, intervalMs: 5_000 },
    { incarnation: 1_234, sequence: 2, intervalMs: 5_000 },
  ])
  expect(missed).toBe(2)
})

test('bad options are refused at once', () => {
  const send = async (): Promise<void> => {}
  expect(() => startHeartbeat({ send: undefined as never })).toThrow(/send/)
  expect(() => startHeartbeat({ send, intervalMs: 0 })).toThrow(/intervalMs/)
  expect(() => startHeartbeat({ send, timeoutMs: 0 })).toThrow(/timeoutMs/)
  expect(() => startHeartbeat({ send, incarnation: -1 })).toThrow(/incarnation/)
})
