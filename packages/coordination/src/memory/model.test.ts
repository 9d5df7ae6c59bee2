import { createFakeClock } from '@holdfast/core/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Entry, Operation, Watch, WatchBatch } from '../store.ts'
import { createMemoryStore, type MemoryStore } from './memory-store.ts'

// The store against the simplest model there is: a copy of all that stood, for each revision.

type Step =
  | { do: 'write'; puts: { key: string; lease: boolean }[]; deletes: string[]; prefixes: string[] }
  | { do: 'advance'; ms: number }
  | { do: 'renew' | 'revoke' | 'compact' | 'rollback' }

const names = ['a', 'ab', 'b', 'b\uffff', 'b\u{1f600}', 'c']
const write: fc.Arbitrary<Step> = fc.record({
  do: fc.constant('write' as const),
  puts: fc.uniqueArray(fc.record({ key: fc.constantFrom(...names), lease: fc.boolean() }), {
    maxLength: 3,
    selector: ({ key }) => key,
  }),
  deletes: fc.array(fc.constantFrom(...names), { maxLength: 2 }),
  prefixes: fc.array(fc.constantFrom('a', 'b', 'x'), { maxLength: 1 }),
})
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: write },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.integer({ min: 0, max: 2_500 }) }),
  },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: 'renew' }, { do: 'revoke' }, { do: 'compact' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'rollback' }) },
)

test('does what a list of copies does', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), agree), {
    numRuns: process.env['HOLDFAST_DEEP'] === '1' ? 5_000 : 150,
  })
}, 300_000)

interface Model {
  /** What stood at each revision, from 1 on. */
  past: Map<string, Entry>[]
  compacted: number
  /** When each lease ends. */
  leases: Map<string, number>
}

async function agree(steps: readonly Step[]): Promise<void> {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const model: Model = { past: [new Map(), new Map()], compacted: 0, leases: new Map() }
  let watch = await store.watch({ prefix: 'b' })
  let told = 1
  let lastLease: string | undefined
  try {
    for (const [index, step] of steps.entries()) {
      if (step.do === 'advance') await clock.advance(step.ms)
      expire(model, clock.now())
      if (step.do === 'write') await writeBoth(step, `${index}`)
      if (step.do === 'renew' && lastLease) await renew(lastLease)
      if (step.do === 'revoke' && lastLease) await revoke(lastLease)
      if (step.do === 'compact') compact()
      if (step.do === 'rollback') await rollback()
      await compare(store, model)
      told = await compareWatch(watch, model, told)
    }
  } finally {
    await store.close()
  }
  expect(clock.sleepers).toBe(0)

  async function writeBoth({ puts, deletes, prefixes }: Step & { do: 'write' }, text: string): Promise<void> {
    const covered = (key: string): boolean =>
      deletes.includes(key) || prefixes.some((prefix) => key.startsWith(prefix))
    const kept = puts.filter(({ key }) => !covered(key))
    if (kept.some(({ lease }) => lease)) {
      const { leaseId, ttlMs } = await store.grantLease(2_000)
      lastLease = leaseId
      model.leases.set(leaseId, clock.now() + ttlMs)
    }
    const value = new TextEncoder().encode(text)
    const operations: Operation[] = [
      ...prefixes.map((prefix): Operation => ({ kind: 'delete', at: { prefix } })),
      ...deletes.map((key): Operation => ({ kind: 'delete', at: { key } })),
      ...kept.map(
        ({ key, lease }): Operation => ({
          kind: 'put',
          key,
          value,
          ...(lease ? { leaseId: lastLease! } : {}),
        }),
      ),
    ]
    const { revision } = await store.transact({ then: operations })
    commit(model, (stands) => {
      for (const key of names) if (covered(key)) stands.delete(key)
      for (const { key, lease } of kept)
        stands.set(key, entryOf(model, key, value, lease ? lastLease : undefined))
    })
    expect(revision).toBe(model.past.length - 1)
  }

  async function renew(leaseId: string): Promise<void> {
    const lives = model.leases.has(leaseId)
    const renewed = await store.keepAlive(leaseId).catch((error: { code: string }) => error.code)
    expect(renewed).toEqual(lives ? { leaseId, ttlMs: 2_000 } : 'LEASE_NOT_FOUND')
    if (lives) model.leases.set(leaseId, clock.now() + 2_000)
  }

  async function revoke(leaseId: string): Promise<void> {
    const lives = model.leases.has(leaseId)
    const code = await store.revokeLease(leaseId).catch((error: { code: string }) => error.code)
    expect(code).toBe(lives ? undefined : 'LEASE_NOT_FOUND')
    if (lives) endLease(model, leaseId)
  }

  function compact(): void {
    model.compacted = Math.max(model.compacted, model.past.length - 2)
    store.compact(Math.max(1, model.compacted))
    model.compacted = Math.max(1, model.compacted)
  }

  async function rollback(): Promise<void> {
    const to = Math.max(1, model.compacted, model.past.length - 3)
    store.rollback(to)
    await expect(watch[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    model.past = model.past.slice(0, to + 1)
    model.leases = new Map()
    for (const { leaseId } of sorted(standing(model)))
      if (leaseId !== undefined) model.leases.set(leaseId, clock.now() + 2_000)
    watch = await store.watch({ prefix: 'b' })
    told = to
  }
}

function standing({ past }: Model): Map<string, Entry> {
  return past.at(-1)!
}

function sorted(stands: Map<string, Entry>): Entry[] {
  return [...stands.values()].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)))
}

function entryOf(model: Model, key: string, value: Uint8Array, leaseId: string | undefined): Entry {
  const before = standing(model).get(key)
  const modRevision = model.past.length
  return {
    key,
    value,
    createRevision: before?.createRevision ?? modRevision,
    modRevision,
    version: (before?.version ?? 0) + 1,
    ...(leaseId === undefined ? {} : { leaseId }),
  }
}

function commit(model: Model, change: (stands: Map<string, Entry>) => void): void {
  const stands = new Map(standing(model))
  change(stands)
  const before = [...standing(model)]
  if (before.length !== stands.size || before.some(([key, entry]) => stands.get(key) !== entry))
    model.past.push(stands)
}

function expire(model: Model, nowMs: number): void {
  const due = [...model.leases].filter(([, endMs]) => endMs <= nowMs).sort(([, a], [, b]) => a - b)
  for (const [leaseId] of due) endLease(model, leaseId)
}

function endLease(model: Model, leaseId: string): void {
  model.leases.delete(leaseId)
  commit(model, (stands) => {
    for (const [key, entry] of stands) if (entry.leaseId === leaseId) stands.delete(key)
  })
}

async function compare(store: MemoryStore, model: Model): Promise<void> {
  for (let revision = Math.max(1, model.compacted); revision < model.past.length; revision += 1)
    for (const prefix of ['', 'b', 'ab']) {
      const found = await store.range({ prefix }, { revision })
      const expected = sorted(model.past[revision]!).filter(({ key }) => key.startsWith(prefix))
      expect(found.entries).toEqual(expected)
      expect([found.count, found.revision]).toEqual([expected.length, model.past.length - 1])
    }
  if (model.compacted > 1)
    await expect(store.range({ prefix: '' }, { revision: model.compacted - 1 })).rejects.toMatchObject({
      code: 'WATCH_COMPACTED',
    })
}

/** Each revision that changed what is watched is told once, as the difference between two copies. Returns how far it was told. */
async function compareWatch(watch: Watch, { past }: Model, told: number): Promise<number> {
  const batches = watch[Symbol.asyncIterator]()
  for (let revision = told + 1; revision < past.length; revision += 1) {
    const expected = difference(past[revision - 1]!, past[revision]!)
    if (expected.length === 0) continue
    const { value } = await batches.next()
    expect([value.revision, linesOf(value)]).toEqual([revision, expected])
  }
  return past.length - 1
}

function difference(before: Map<string, Entry>, after: Map<string, Entry>): string[] {
  const put = [...after.values()]
    .filter((entry) => before.get(entry.key) !== entry)
    .map(({ key }) => `put ${key}`)
  const deleted = [...before.keys()].filter((key) => !after.has(key)).map((key) => `delete ${key}`)
  return [...put, ...deleted].filter((line) => line.includes(' b')).sort()
}

function linesOf({ events }: WatchBatch): string[] {
  return events
    .map((event) => (event.kind === 'put' ? `put ${event.entry.key}` : `delete ${event.key}`))
    .sort()
}
