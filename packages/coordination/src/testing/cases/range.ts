import { bytes, type Case, codeOf, put, read, remove, text, write } from './case.ts'

export const rangeCases: Case[] = [
  {
    name: 'range: finds nothing where nothing was put, and tells the revision',
    async run({ store, at, expect }) {
      const { entries, count, revision, clusterId } = await store.range({ prefix: at() })
      expect([entries, count]).toEqual([[], 0])
      expect(Number.isSafeInteger(revision) && revision >= 1).toBe(true)
      expect(typeof clusterId === 'string' && clusterId !== '').toBe(true)
      expect((await store.range({ key: at('absent') })).clusterId).toBe(clusterId)
    },
  },
  {
    name: "range: tells an entry's revisions and version through puts, a delete and a new put",
    async run({ store, at, expect }) {
      const key = at('a')
      const first = (await write(store, put(key, '1'))).revision
      const second = (await write(store, put(key, '2'))).revision
      expect(second).toBe(first + 1)
      const entry = { key, value: bytes('2'), createRevision: first, modRevision: second, version: 2 }
      expect({ ...(await read(store, key)) }).toEqual(entry)
      await write(store, remove(key))
      expect(await read(store, key)).toBe(undefined)
      const third = (await write(store, put(key, '3'))).revision
      const { createRevision, modRevision, version } = (await read(store, key))!
      expect([createRevision, modRevision, version]).toEqual([third, third, 1])
    },
  },
  {
    name: 'range: orders keys by their bytes, and takes a prefix to the letter',
    async run({ store, at, expect }) {
      const keys = ['b', 'ba', 'b/', 'b\u00e9', 'b\uffff', 'b\u{1f600}', 'c', 'a\u{10ffff}'].map((key) =>
        at(key),
      )
      await write(store, ...keys.map((key) => put(key)))
      const { entries, count } = await store.range({ prefix: at('b') })
      const expected = keys
        .filter((key) => key.startsWith(at('b')))
        .sort((a, b) => Buffer.compare(bytes(a), bytes(b)))
      expect(entries.map(({ key }) => key)).toEqual(expected)
      expect(count).toBe(6)
      expect((await store.range({ key: at('b') })).entries.map(({ key }) => key)).toEqual([at('b')])
      const all = (await store.range({ prefix: '' })).entries.map(({ key }) => key)
      expect(keys.filter((key) => !all.includes(key))).toEqual([])
    },
  },
  {
    name: 'range: keeps to limit and minModRevision, and counts all',
    async run({ store, at, expect }) {
      for (const key of ['a', 'b', 'c']) await write(store, put(at(key)))
      const { modRevision } = (await read(store, at('b')))!
      const limited = await store.range({ prefix: at() }, { limit: 2 })
      expect([limited.entries.map(({ key }) => key), limited.count]).toEqual([[at('a'), at('b')], 3])
      const recent = await store.range({ prefix: at() }, { minModRevision: modRevision })
      expect([recent.entries.map(({ key }) => key), recent.count]).toEqual([[at('b'), at('c')], 3])
      const both = await store.range({ prefix: at() }, { minModRevision: modRevision, limit: 1 })
      expect([both.entries.map(({ key }) => key), both.count]).toEqual([[at('b')], 3])
      const none = await store.range({ prefix: at() }, { minModRevision: recent.revision + 1, limit: 1 })
      expect([none.entries, none.count]).toEqual([[], 3])
    },
  },
  {
    name: 'range: reads the past, refuses the future',
    async run({ store, at, expect }) {
      const then = (await write(store, put(at('a'), 'old'), put(at('b')))).revision
      await write(store, put(at('a'), 'new'), put(at('c')), remove(at('b')))
      const { entries, revision } = await store.range({ prefix: at() }, { revision: then })
      expect(entries.map(({ value }) => text(value))).toEqual(['old', at('b')])
      expect(revision > then).toBe(true)
      expect(await codeOf(store.range({ prefix: at() }, { revision: revision + 1_000_000 }))).toBe(
        'STORE_REFUSED',
      )
    },
  },
  {
    name: 'range: finds compacted history gone, and the compacted revision itself kept',
    needs: 'compaction',
    async run({ store, at, compact, expect }) {
      const first = (await write(store, put(at('a'), '1'))).revision
      const second = (await write(store, put(at('a'), '2'))).revision
      await write(store, put(at('a'), '3'))
      await compact!(second)
      expect(await codeOf(store.range({ key: at('a') }, { revision: first }))).toBe('WATCH_COMPACTED')
      const kept = await store.range({ key: at('a') }, { revision: second })
      expect(kept.entries.map(({ value }) => text(value))).toEqual(['2'])
      expect(text((await read(store, at('a')))!.value)).toBe('3')
    },
  },
  {
    name: 'range: gives back the bytes that were put, whatever callers do to theirs',
    async run({ store, at, expect }) {
      const value = Uint8Array.from({ length: 256 }, (_, index) => index)
      await write(store, { kind: 'put', key: at('a'), value }, put(at('empty'), ''))
      value.fill(0)
      const mine = (await read(store, at('a')))!.value
      expect([mine.length, mine[0], mine[255]]).toEqual([256, 0, 255])
      mine.fill(7)
      expect((await read(store, at('a')))!.value[255]).toBe(255)
      expect((await read(store, at('empty')))!.value.length).toBe(0)
    },
  },
  {
    name: 'range: refuses an empty key and bad numbers',
    async run({ store, at, expect }) {
      expect(await codeOf(store.range({ key: '' }))).toBe('STORE_REFUSED')
      expect(await codeOf(store.range({ prefix: at() }, { limit: 0 }))).toBe('RangeError')
    },
  },
]
