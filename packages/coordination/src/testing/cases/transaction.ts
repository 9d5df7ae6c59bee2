import type { Comparison, Operation, Relation } from '../../store.ts'
import { bytes, type Case, codeOf, put, read, remove, type Subject, text, write } from './case.ts'

export const transactionCases: Case[] = [
  {
    name: 'transaction: its writes share one revision, the next after the last',
    async run({ store, at, expect }) {
      const before = (await write(store, put(at('x')))).revision
      const { succeeded, outcomes, revision } = await write(
        store,
        put(at('a')),
        put(at('b')),
        remove(at('x')),
      )
      expect([succeeded, revision]).toEqual([true, before + 1])
      expect(outcomes).toEqual([{ kind: 'put' }, { kind: 'put' }, { kind: 'delete', deleted: 1 }])
      const { entries } = await store.range({ prefix: at() })
      expect(entries.map(({ modRevision }) => modRevision)).toEqual([revision, revision])
    },
  },
  {
    name: 'transaction: one that changes nothing has no revision of its own',
    async run({ store, at, expect }) {
      const before = (await write(store, put(at('a')))).revision
      const read = await write(store, { kind: 'range', at: { prefix: at() } })
      const removed = await write(store, remove(at('absent')))
      const empty = await write(store)
      expect(removed.outcomes).toEqual([{ kind: 'delete', deleted: 0 }])
      expect([empty.succeeded, empty.outcomes]).toEqual([true, []])
      expect((await write(store, put(at('b')))).revision).toBe(before + 1)
      expect(read.revision).toBe(before)
    },
  },
  {
    name: 'transaction: its operations see those before them',
    async run({ store, at, expect }) {
      const range: Operation = { kind: 'range', at: { prefix: at() } }
      const { outcomes } = await write(store, range, put(at('a'), '1'), range, {
        kind: 'delete',
        at: { prefix: at('b') },
      })
      const seen = outcomes.map((outcome) =>
        outcome.kind === 'range' ? outcome.entries.map(({ value }) => text(value)) : outcome.kind,
      )
      expect(seen).toEqual([[], 'put', ['1'], 'delete'])
    },
  },
  {
    name: 'transaction: deletes a whole prefix in one revision',
    async run({ store, at, expect }) {
      await write(store, put(at('a/1')), put(at('a/2')), put(at('b')))
      const { outcomes } = await write(store, { kind: 'delete', at: { prefix: at('a/') } })
      expect(outcomes).toEqual([{ kind: 'delete', deleted: 2 }])
      expect((await store.range({ prefix: at() })).entries.map(({ key }) => key)).toEqual([at('b')])
    },
  },
  {
    name: 'transaction: compares revisions and versions by every relation',
    async run(subject) {
      const { store, at, expect } = subject
      await write(store, put(at('a'), '1'))
      await write(store, put(at('a'), '2'))
      const { createRevision, modRevision, version } = (await read(store, at('a')))!
      for (const [target, actual] of Object.entries({ createRevision, modRevision, version }))
        for (const to of [actual - 1, actual, actual + 1])
          for (const is of ['=', '!=', '<', '>'] as const) {
            const comparison = { key: at('a'), target, is, to } as Comparison
            expect(await holds(subject, comparison), JSON.stringify(comparison)).toBe(
              relates(actual - to, is),
            )
          }
    },
  },
  {
    name: 'transaction: compares values by their bytes',
    async run(subject) {
      await write(subject.store, put(subject.at('a'), 'b'))
      for (const to of ['a', 'b', 'ba', 'c', '', '\u00e9'])
        for (const is of ['=', '!=', '<', '>'] as const) {
          const comparison: Comparison = { key: subject.at('a'), target: 'value', is, to: bytes(to) }
          const expected = relates(Buffer.compare(bytes('b'), bytes(to)), is)
          subject.expect(await holds(subject, comparison), `b ${is} ${to}`).toBe(expected)
        }
    },
  },
  {
    name: 'transaction: an absent key has revisions and version 0, no lease, and a value that compares with nothing',
    async run(subject) {
      const key = subject.at('absent')
      for (const target of ['createRevision', 'modRevision', 'version'] as const) {
        subject.expect(await holds(subject, { key, target, is: '=', to: 0 })).toBe(true)
        subject.expect(await holds(subject, { key, target, is: '>', to: 0 })).toBe(false)
      }
      subject.expect(await holds(subject, { key, target: 'leaseId', is: '=', to: '' })).toBe(true)
      for (const is of ['=', '!=', '<', '>'] as const)
        subject.expect(await holds(subject, { key, target: 'value', is, to: bytes('') }), is).toBe(false)
    },
  },
  {
    name: 'transaction: compares leases',
    async run(subject) {
      const { store, at } = subject
      const { leaseId } = await store.grantLease(60_000)
      await write(store, put(at('a'), 'a', leaseId), put(at('b')))
      const cases: [string, Relation, string, boolean][] = [
        ['a', '=', leaseId, true],
        ['a', '!=', leaseId, false],
        ['a', '=', '', false],
        ['a', '!=', '', true],
        ['b', '=', '', true],
        ['b', '=', leaseId, false],
      ]
      for (const [key, is, to, expected] of cases)
        subject.expect(await holds(subject, { key: at(key), target: 'leaseId', is, to })).toBe(expected)
      await store.revokeLease(leaseId)
    },
  },
  {
    name: 'transaction: does `else` unless all comparisons hold',
    async run({ store, at, expect }) {
      const absent = (key: string): Comparison => ({ key: at(key), target: 'createRevision', is: '=', to: 0 })
      await write(store, put(at('a')))
      const refused = await store.transact({
        when: [absent('b'), absent('a')],
        then: [put(at('then'))],
        else: [{ kind: 'range', at: { key: at('a') } }, put(at('else'))],
      })
      expect(refused.succeeded).toBe(false)
      expect(refused.outcomes.map(({ kind }) => kind)).toEqual(['range', 'put'])
      expect((await store.range({ prefix: at() })).entries.map(({ key }) => key)).toEqual([
        at('a'),
        at('else'),
      ])
      const nothing = await store.transact({ when: [absent('a')], then: [put(at('then'))] })
      expect([nothing.succeeded, nothing.outcomes]).toEqual([false, []])
    },
  },
  {
    name: 'transaction: takes 128 operations a list and refuses 129',
    async run({ store, at, expect }) {
      const puts = (count: number): Operation[] =>
        Array.from({ length: count }, (_, index) => put(at(`k${index}`)))
      const compare = (count: number): Comparison[] =>
        Array.from({ length: count }, () => ({ key: at('a'), target: 'version', is: '=', to: 0 }))
      expect(await codeOf(store.transact({ when: compare(128), then: puts(128), else: puts(128) }))).toBe(
        'resolved',
      )
      expect((await store.range({ prefix: at() })).count).toBe(128)
      expect(await codeOf(store.transact({ then: puts(129) }))).toBe('STORE_REFUSED')
      expect(await codeOf(store.transact({ then: [], else: puts(129) }))).toBe('STORE_REFUSED')
      expect(await codeOf(store.transact({ when: compare(129), then: [] }))).toBe('STORE_REFUSED')
    },
  },
  {
    name: 'transaction: refuses a key that is written twice, also in the list not done, and does nothing',
    async run({ store, at, expect }) {
      const twice: Operation[][] = [
        [put(at('a')), put(at('b')), put(at('a'))],
        [put(at('a')), remove(at('a'))],
        [{ kind: 'delete', at: { prefix: at() } }, put(at('a'))],
      ]
      for (const operations of twice) {
        expect(await codeOf(store.transact({ then: operations }))).toBe('STORE_REFUSED')
        expect(await codeOf(store.transact({ then: [put(at('c'))], else: operations }))).toBe('STORE_REFUSED')
      }
      expect((await store.range({ prefix: at() })).count).toBe(0)
      expect(await codeOf(write(store, remove(at('a')), remove(at('a')), put(at('b'))))).toBe('resolved')
    },
  },
  {
    name: 'transaction: refuses an empty key and a lease that is not there, and does nothing',
    async run({ store, at, expect }) {
      expect(await codeOf(write(store, put(at('a')), { kind: 'put', key: '', value: bytes('') }))).toBe(
        'STORE_REFUSED',
      )
      expect(await codeOf(write(store, put(at('a')), put(at('b'), 'b', '123456789')))).toBe('LEASE_NOT_FOUND')
      expect((await store.range({ prefix: at() })).count).toBe(0)
    },
  },
  {
    name: 'transaction: two clients that compare and set lose no update',
    async run({ store, connect, at, expect }) {
      const other = await connect()
      const key = at('counter')
      await write(store, put(key, '0'))
      await Promise.all(
        [store, other, store, other].map(async (client) => {
          for (let left = 5; left > 0; ) {
            const { modRevision, value } = (await read(client, key))!
            const when: Comparison[] = [{ key, target: 'modRevision', is: '=', to: modRevision }]
            const next = put(key, String(Number(text(value)) + 1))
            if ((await client.transact({ when, then: [next] })).succeeded) left -= 1
          }
        }),
      )
      expect(text((await read(store, key))!.value)).toBe('20')
      await other.close()
    },
  },
]

async function holds({ store }: Subject, comparison: Comparison): Promise<boolean> {
  return (await store.transact({ when: [comparison], then: [] })).succeeded
}

function relates(order: number, is: Relation): boolean {
  return { '=': order === 0, '!=': order !== 0, '<': order < 0, '>': order > 0 }[is]
}
