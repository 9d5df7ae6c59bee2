import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareKeys } from '../keys.ts'
import type { Entry, WatchEvent } from '../store.ts'
import { createReplica } from './replica.ts'

const name = fc.integer({ min: 0, max: 40 }).map((number) => `key${number}`)
const event = fc.record({ key: name, isPut: fc.boolean() })

test('entries are those that stand, in the order of keys, however many changed since they were asked for', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({ events: fc.uniqueArray(event, { selector: ({ key }) => key }), looks: fc.boolean() }),
      ),
      (batches) => {
        const replica = createReplica()
        const model = new Map<string, Entry>()
        const kept: { list: readonly Entry[]; copy: readonly Entry[] }[] = []
        replica.adopt({ clusterId: 'c', revision: 1, entries: [], count: 0 }, undefined)
        batches.forEach(({ events, looks }, index) => {
          const revision = index + 2
          replica.apply({
            clusterId: 'c',
            revision,
            events: events.map((one) => toEvent(one, revision, model)),
          })
          if (!looks) return
          const list = replica.entries()
          expect(list).toEqual([...model.values()].sort((a, b) => compareKeys(a.key, b.key)))
          expect(replica.entries()).toBe(list)
          expect(replica.size).toBe(list.length)
          kept.push({ list, copy: [...list] })
        })
        for (const { list, copy } of kept) expect(list).toEqual(copy)
      },
    ),
  )
})

function toEvent(
  { key, isPut }: { key: string; isPut: boolean },
  modRevision: number,
  model: Map<string, Entry>,
): WatchEvent {
  if (!isPut) {
    model.delete(key)
    return { kind: 'delete', key, modRevision }
  }
  const entry = { key, value: new Uint8Array(), createRevision: modRevision, modRevision, version: 1 }
  model.set(key, entry)
  return { kind: 'put', entry }
}
