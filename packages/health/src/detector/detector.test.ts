import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import fc from 'fast-check'
import { beforeEach, expect, test } from 'vitest'
import type { Beat } from '../heartbeat.ts'
import { createDetector, type Detector, type DetectorOptions, type Verdict } from './detector.ts'

let clock: FakeClock
let detector: Detector

beforeEach(() => {
  clock = createFakeClock()
  detector = create()
})

function create(options: DetectorOptions = {}): Detector {
  return createDetector({ clock, intervalMs: 1_000, ...options })
}

function beat(sequence: number, { incarnation = 1, intervalMs = 1_000 } = {}): Beat {
  return { incarnation, sequence, intervalMs }
}

/** Lets time pass as an observer lives through it: round by round. */
async function live(ms: number, roundMs = 100): Promise<void> {
  for (let lived = 0; lived < ms; lived += roundMs) {
    await clock.advance(Math.min(roundMs, ms - lived))
    detector.verdicts()
  }
}

async function beatSteadily(
  count: number,
  { from = 1, intervalMs = 1_000, incarnation = 1 } = {},
): Promise<void> {
  for (let sequence = from; sequence < from + count; sequence += 1) {
    detector.heard('a', beat(sequence, { incarnation, intervalMs }))
    await live(intervalMs)
  }
}

function verdict(id = 'a'): Verdict {
  return detector.verdicts().find((each) => each.id === id)!
}

test('a steady peer is alive; after its crash it is suspect and then dead, within four intervals', async () => {
  await beatSteadily(200)
  expect(verdict()).toMatchObject({ state: 'alive', silentMs: 1_000, incarnation: 1 })
  await live(2_000)
  expect(verdict()).toMatchObject({ state: 'alive', silentMs: 3_000 })
  await live(500)
  expect(verdict().state).toBe('suspect')
  await live(100)
  expect(verdict().state).toBe('dead')
  detector.heard('a', beat(201))
  expect(verdict()).toMatchObject({ state: 'alive', silentMs: 0 })
  detector.forget('a')
  expect(detector.verdicts()).toEqual([])
})

test('a peer that is expected and never beats is missed; its first beat, of any incarnation, makes it like any other', async () => {
  detector.expect('a')
  expect(verdict()).toEqual({
    id: 'a',
    state: 'alive',
    phi: expect.any(Number),
    silentMs: 0,
    incarnation: undefined,
  })
  await live(2_000)
  detector.expect('a')
  expect(verdict().silentMs).toBe(2_000)
  await live(4_000)
  expect(verdict().state).toBe('dead')
  expect(detector.heard('a', beat(1, { incarnation: 0 }))).toBe(true)
  expect(verdict()).toMatchObject({ state: 'alive', silentMs: 0, incarnation: 0 })
  detector.expect('a')
  expect(verdict().incarnation).toBe(0)
  detector.forget('a')
  expect(detector.verdicts()).toEqual([])
})

test('old and duplicate sequences tell nothing, and do not prolong a life', async () => {
  expect(detector.heard('a', beat(5))).toBe(true)
  await live(900)
  expect(detector.heard('a', beat(5))).toBe(false)
  expect(detector.heard('a', beat(4))).toBe(false)
  expect(verdict().silentMs).toBe(900)
  expect(detector.heard('a', beat(7))).toBe(true)
  expect(detector.heard('a', beat(6))).toBe(false)
  expect(verdict().silentMs).toBe(0)
})

test('a new incarnation starts anew, with any sequence; beats of the one before are ignored', async () => {
  await beatSteadily(50)
  expect(detector.heard('a', beat(1, { incarnation: 2 }))).toBe(true)
  expect(verdict()).toMatchObject({ incarnation: 2, silentMs: 0, state: 'alive' })
  expect(detector.heard('a', beat(51, { incarnation: 1 }))).toBe(false)
  await live(100)
  expect(verdict()).toMatchObject({ incarnation: 2, silentMs: 100 })
})

test('two incarnations at once: the higher counts, whichever beats more often', async () => {
  for (let sequence = 1; sequence <= 20; sequence += 1) {
    expect(detector.heard('a', beat(sequence, { incarnation: 2 }))).toBe(true)
    await live(500)
    expect(detector.heard('a', beat(1_000 + sequence, { incarnation: 1 }))).toBe(false)
    await live(500)
  }
  expect(verdict()).toMatchObject({ incarnation: 2, state: 'alive' })
})

test('a clock set back before a restart: the lower incarnation is heard once the higher is dead, not sooner', async () => {
  await beatSteadily(20, { incarnation: 9_000 })
  const accepted: number[] = []
  for (let sequence = 1; sequence <= 8; sequence += 1) {
    if (detector.heard('a', beat(sequence, { incarnation: 5_400 }))) accepted.push(sequence)
    await live(1_000)
  }
  expect(accepted.length).toBeGreaterThan(2)
  expect(accepted[0]).toBeGreaterThan(2)
  expect(accepted).toEqual(Array.from({ length: accepted.length }, (_, at) => accepted[0]! + at))
  expect(verdict()).toMatchObject({ incarnation: 5_400, state: 'alive' })
})

test('beats batched after a partition: alive at once, and the rhythm is as good as before', async () => {
  await beatSteadily(200)
  await live(29_000)
  expect(verdict().state).toBe('dead')
  for (let sequence = 201; sequence <= 215; sequence += 1) detector.heard('a', beat(sequence))
  for (let sequence = 216; sequence <= 260; sequence += 1) {
    await live(20, 20)
    detector.heard('a', beat(sequence))
  }
  expect(verdict()).toMatchObject({ state: 'alive', silentMs: 0 })
  await live(3_000)
  expect(verdict().state).toBe('alive')
  await live(2_000)
  expect(verdict().state).toBe('dead')
})

test('a sender that slows down is given its own time from then on, and one that hurries less', async () => {
  await beatSteadily(100)
  await beatSteadily(20, { from: 101, intervalMs: 30_000 })
  expect(verdict()).toMatchObject({ state: 'alive', silentMs: 30_000 })
  await beatSteadily(20, { from: 121, intervalMs: 200 })
  await live(1_200)
  expect(verdict().state).toBe('dead')
})

test('a sender slower than it says is believed by its rhythm: φ finds the timeout by itself', async () => {
  let suspected = 0
  for (let sequence = 1; sequence <= 200; sequence += 1) {
    detector.heard('a', beat(sequence))
    await live(2_900)
    if (sequence > 20 && verdict().state !== 'alive') suspected += 1
  }
  expect(suspected).toBe(0)
})

test('what is no beat is as good as silence', () => {
  for (const bad of [
    {},
    { ...beat(1), sequence: '1' },
    { ...beat(1), intervalMs: 0 },
    { ...beat(1), incarnation: Number.NaN },
  ])
    expect(detector.heard('a', bad as never)).toBe(false)
  expect(detector.verdicts()).toEqual([])
})

test('the wall clock set back an hour moves no verdict', async () => {
  await beatSteadily(10)
  const before = verdict()
  clock.setWall(clock.wall() - 3_600_000)
  expect(verdict()).toEqual(before)
})

test('a caller much slower than it said still finds a death', async () => {
  await beatSteadily(10)
  for (let call = 0; call < 10; call += 1) {
    await clock.advance(60_000)
    detector.verdicts()
  }
  expect(verdict().state).toBe('dead')
})

test('0 false suspicions: 143 freezes of an observer of 100 peers, up to two beats in a row lost', async () => {
  const random = createSeededRandom(143)
  const peers = Array.from({ length: 100 }, (_, at) => ({
    id: `peer-${at}`,
    due: random() * 1_000,
    sequence: 0,
    lost: 0,
  }))
  const inbox: { id: string; beat: Beat }[] = []
  let suspicions = 0
  const send = (until: number): void => {
    for (const peer of peers)
      for (; peer.due <= until; peer.due += 1_000 * (0.95 + 0.1 * random())) {
        peer.sequence += 1
        peer.lost = peer.lost < 2 && random() < 0.02 ? peer.lost + 1 : 0
        if (peer.lost === 0) inbox.push({ id: peer.id, beat: beat(peer.sequence) })
      }
  }
  const read = (): void => {
    for (const { id, beat } of inbox.splice(0)) detector.heard(id, beat)
  }
  const round = (): void => {
    suspicions += detector.verdicts().filter(({ state }) => state !== 'alive').length
  }
  for (let freeze = 0; freeze <= 143; freeze += 1) {
    for (let step = 0; step < 40; step += 1) {
      await clock.advance(250)
      send(clock.now())
      read()
      round()
    }
    clock.stall(3_000 + 27_000 * random())
    await clock.advance(0)
    send(clock.now())
    round() // timers come before sockets: the observer looks before it has read what came
    read()
    round()
  }
  expect(detector.verdicts().length).toBe(100)
  expect(suspicions).toBe(0)
})

test('with jitter up to a tenth and at most two beats lost in a row, nobody is suspect, and who crashes is dead within five intervals', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer(), fc.integer({ min: 20, max: 120 }), async (seed, beats) => {
      clock = createFakeClock()
      detector = create()
      const random = createSeededRandom(seed)
      for (let sequence = 1, lost = 0; sequence <= beats; sequence += 1) {
        const drop = lost < 2 && random() < 0.2
        lost = drop ? lost + 1 : 0
        if (!drop) detector.heard('a', beat(sequence))
        await live(1_000 * (0.95 + 0.1 * random()), 500)
        if (sequence > 2) expect(verdict().state).toBe('alive')
      }
      detector.heard('a', beat(beats + 1))
      await live(5_000, 500)
      expect(verdict().state).toBe('dead')
    }),
    { numRuns: process.env['HOLDFAST_DEEP'] ? 2_000 : 15 },
  )
})

test('bad options are refused at once', () => {
  const refused: [DetectorOptions, RegExp][] = [
    [{ intervalMs: 0 }, /intervalMs/],
    [{ suspectAt: 0 }, /suspectAt/],
    [{ suspectAt: 8, deadAt: 5 }, /deadAt/],
    [{ deadAt: 101 }, /deadAt/],
    [{ pauseIntervals: -1 }, /pauseIntervals/],
    [{ minDeviation: 0 }, /minDeviation/],
    [{ windowSize: 1 }, /windowSize/],
    [{ roundMs: 0 }, /roundMs/],
  ]
  for (const [options, message] of refused) expect(() => create(options)).toThrow(message)
})
