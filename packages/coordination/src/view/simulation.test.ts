import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type MemoryStore, memoryStoreOn } from '../memory/memory-store.ts'
import { createMemoryServer } from '../memory/server.ts'
import type { Operation } from '../store.ts'
import type { Cut } from '../testing/network.ts'
import { type FaultyStore, withFaults } from '../testing/with-faults.ts'
import { openView } from './open-view.ts'
import { createConsumer, createMirror, createTruth } from './simulation.test.truth.ts'

// A view over a bad network lives through random writes, faults and accidents of the store.
// At every step: what it says it was told is true and has no gap, and what it shows stood in
// the store within the last `staleMs`. In the end, when all is quiet, it shows what stands.

type Step =
  | { do: 'write'; puts: string[]; deletes: string[]; leased: boolean }
  | { do: 'clear' | 'compact' | 'wipe' | 'break' | 'heal' | 'read' | 'confirm' }
  | { do: 'rollback'; by: number; then: (Step & { do: 'write' })[]; others: number }
  | { do: 'partition'; cut: Cut }
  | { do: 'delay'; maxMs: number }
  | { do: 'lose'; share: number }
  | { do: 'advance'; ms: number }

const key = fc.constantFrom('v/a', 'v/b', 'v/c', 'v/d', 'other')
const write = fc.record({
  do: fc.constant('write' as const),
  puts: fc.uniqueArray(key, { maxLength: 3 }),
  deletes: fc.uniqueArray(key, { maxLength: 2 }),
  leased: fc.boolean(),
})
const kinds: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: write },
  {
    weight: 10,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 3_000 }) }),
  },
  { weight: 3, arbitrary: fc.constant<Step>({ do: 'read' }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom<Step>({ do: 'compact' }, { do: 'break' }, { do: 'heal' }, { do: 'clear' }),
  },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'wipe' }, { do: 'confirm' }) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<Cut>('requests', 'answers', 'both')
      .map((cut): Step => ({ do: 'partition', cut })),
  },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 1_500 }).map((maxMs): Step => ({ do: 'delay', maxMs })) },
  {
    weight: 1,
    arbitrary: fc.double({ min: 0, max: 0.5, noNaN: true }).map((share): Step => ({ do: 'lose', share })),
  },
)
const rollback: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('rollback' as const),
  by: fc.integer({ min: 0, max: 6 }),
  // Before anybody is back: the new past may have come further than the old one.
  then: fc.array(write, { maxLength: 5 }),
  others: fc.integer({ min: 0, max: 10 }),
})

const deep = process.env['HOLDFAST_DEEP'] === '1'
const runs = { numRuns: deep ? 2_000 : 40, endOnFailure: deep }

test('tells and shows the truth over a bad network', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(kinds, { maxLength: 60 }), fc.integer(), (steps, seed) =>
      simulate(steps, seed, true),
    ),
    runs,
  )
}, 600_000)

test('comes back to the truth when the store is restored from backups too', async () => {
  const any = fc.oneof({ weight: 15, arbitrary: kinds }, { weight: 1, arbitrary: rollback })
  await fc.assert(
    fc.asyncProperty(fc.array(any, { maxLength: 60 }), fc.integer(), (steps, seed) =>
      simulate(steps, seed, false),
    ),
    runs,
  )
}, 600_000)

async function simulate(steps: readonly Step[], seed: number, soundness: boolean): Promise<void> {
  const clock = createFakeClock()
  const random = createSeededRandom(seed)
  const server = createMemoryServer({ clock, retainRevisions: 10_000 })
  const memory = memoryStoreOn(server)
  const network = withFaults(memory.connect(), { clock, random, deadlineMs: 1_000, silenceMs: 2_000 })
  const truth = createTruth(server, clock.now)
  const view = await openView(network, {
    prefix: 'v/',
    clock,
    random,
    maxStaleMs: 2_000,
    // Whatever another past has in its place must be found out without it.
    antiEntropyMs: soundness ? 20_000 : Number.POSITIVE_INFINITY,
  })
  const consumers = [createConsumer(view, 3), createConsumer(view, 1_000)]
  const events = createMirror(view)
  truth.opened(view)
  const failures: unknown[] = []
  view.on('listenerError', (error) => failures.push(error))
  view.on('changed', (change) => {
    truth.update()
    truth.checkTold(view, change)
    events.apply(change)
    if (soundness) truth.checkShown(view)
  })
  const confirming: Promise<unknown>[] = []
  try {
    for (const step of steps) {
      await perform(step)
      truth.update()
      if (soundness) truth.checkShown(view)
      if (failures.length > 0) throw failures[0]
    }
    network.heal()
    await clock.advance(60_000)
    truth.update()
    if (failures.length > 0) throw failures[0]
    if (soundness) truth.checkShown(view)
    const { entries } = await memory.range({ prefix: 'v/' })
    expect(view.entries()).toEqual(entries)
    events.check(view)
    for (const consumer of consumers) await consumer.drain()
    expect(view.staleMs).toBeLessThanOrEqual(1_000)
    await Promise.all(confirming)
  } finally {
    await view.close()
    truth.close()
    await network.close()
    await memory.close()
  }
  expect(clock.sleepers).toBe(0)

  async function perform(step: Step): Promise<void> {
    if (step.do === 'write') await perhaps(writeTo(memory, step))
    else if (step.do === 'advance') await clock.advance(step.ms)
    else if (step.do === 'read') await Promise.all(consumers.map((consumer) => consumer.read()))
    else if (step.do === 'confirm') confirming.push(confirm())
    else if (step.do === 'rollback') await rollBack(step)
    else disturb(step, memory, network)
  }

  async function rollBack({ by, then, others }: Step & { do: 'rollback' }): Promise<void> {
    memory.rollback(truth.before(by))
    truth.update()
    for (const step of then) await perhaps(writeTo(memory, step))
    for (let count = 0; count < others; count += 1) await memory.transact({ then: [putOther] })
  }

  /** What stood when it was asked, or something later, is shown when it is answered. */
  async function confirm(): Promise<void> {
    const asked = truth.moment()
    await view.confirm().then(
      () => soundness && truth.checkSince(view, asked),
      (error: { code?: string }) => expect(error.code).toBe('STORE_UNAVAILABLE'),
    )
  }
}

const putOther: Operation = { kind: 'put', key: 'other', value: new Uint8Array() }

async function perhaps(call: Promise<unknown>): Promise<void> {
  await call.catch((error: { code?: string }) => expect(error.code).toBe('STORE_REFUSED'))
}

async function writeTo(memory: MemoryStore, step: Step & { do: 'write' }): Promise<void> {
  const leaseId = step.leased ? (await memory.grantLease(2_000)).leaseId : undefined
  const puts = step.puts.map(
    (key): Operation => ({
      kind: 'put',
      key,
      value: new Uint8Array([key.length]),
      ...(leaseId ? { leaseId } : {}),
    }),
  )
  const deletes = step.deletes.map((key): Operation => ({ kind: 'delete', at: { key } }))
  await memory.transact({ then: [...puts, ...deletes] })
}

function disturb(step: Step, memory: MemoryStore, network: FaultyStore): void {
  if (step.do === 'clear') void memory.transact({ then: [{ kind: 'delete', at: { prefix: 'v/' } }] })
  if (step.do === 'compact') memory.compact()
  if (step.do === 'wipe') memory.wipe()
  if (step.do === 'break') network.breakWatches()
  if (step.do === 'heal') network.heal()
  if (step.do === 'partition') network.partition(step.cut)
  if (step.do === 'delay') network.delay({ minMs: 0, maxMs: step.maxMs })
  if (step.do === 'lose') network.lose({ requests: step.share, answers: step.share, watches: step.share })
}
