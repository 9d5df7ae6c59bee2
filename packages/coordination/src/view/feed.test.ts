import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Entry } from '../store.ts'
import { type KeyChange, keyChange, type ViewChange } from './change.ts'
import { createFeed } from './feed.ts'

function entry(key: string, modRevision: number): Entry {
  return { key, value: new Uint8Array(), createRevision: modRevision, modRevision, version: 1 }
}

test('a consumer of any speed ends with what stands, through changes that begin with what it knew', async () => {
  const key = fc.constantFrom('a', 'b', 'c')
  const step = fc.oneof(key, fc.constant('read'))
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 4 }),
      async (steps, maxPending) => {
        const stands = new Map<string, Entry>()
        let revision = 0
        const feed = createFeed({
          maxPending,
          get: (key) => stands.get(key),
          revision: () => revision,
          onEnd: () => {},
        })
        const known = new Map<string, Entry>()
        let waiting = 0
        for (const step of steps) {
          if (step === 'read') await read()
          else toggle(step)
        }
        while (waiting > 0) await read()
        expect([...known].sort()).toEqual([...stands].sort())

        function toggle(key: string): void {
          revision += 1
          const before = stands.get(key)
          // Every third change of a key that stands removes it.
          if (before && revision % 3 === 0) stands.delete(key)
          else stands.set(key, entry(key, revision))
          feed.push({ revision, keys: [keyChange(key, before, stands.get(key))!] })
          waiting = Math.min(waiting + 1, maxPending + 1)
        }

        async function read(): Promise<void> {
          if (waiting === 0) return
          const { value } = (await feed.changes.next()) as { value: ViewChange }
          for (const change of value.keys) follow(known, change)
          expect(value.resync).toBe(waiting > maxPending ? 'lagged' : undefined)
          waiting = value.resync ? 0 : waiting - 1
        }
      },
    ),
  )
})

function follow(known: Map<string, Entry>, change: KeyChange): void {
  expect(known.get(change.key)).toBe(change.kind === 'added' ? undefined : change.before)
  if (change.kind === 'removed') known.delete(change.key)
  else known.set(change.key, change.after)
}

test('what came and went while the consumer slept takes no memory', async () => {
  const stands = new Map<string, Entry>()
  let asked = 0
  const get = (key: string): Entry | undefined => {
    asked += 1
    return stands.get(key)
  }
  const feed = createFeed({ maxPending: 1, get, revision: () => 0, onEnd: () => {} })
  for (let count = 0; count < 100; count += 1) {
    const passing = entry(`key${count}`, count)
    stands.set(passing.key, passing)
    feed.push({ revision: count, keys: [keyChange(passing.key, undefined, passing)!] })
    stands.clear()
    feed.push({ revision: count, keys: [keyChange(passing.key, passing, undefined)!] })
  }
  asked = 0
  expect((await feed.changes.next()).value).toEqual({ revision: 0, keys: [], resync: 'lagged' })
  expect(asked).toBe(0)
})
