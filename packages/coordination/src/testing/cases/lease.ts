import { type Case, codeOf, put, read, readerOf, write } from './case.ts'

export const leaseCases: Case[] = [
  {
    name: 'lease: is granted for at least the time asked, under an id of its own',
    async run({ store, expect }) {
      const grants = [
        await store.grantLease(60_000),
        await store.grantLease(61_001),
        await store.grantLease(1),
      ]
      expect(grants.map(({ ttlMs }, index) => ttlMs >= [60_000, 61_001, 1][index]!)).toEqual([
        true,
        true,
        true,
      ])
      expect(grants.every(({ leaseId }) => /^[1-9]\d*$/.test(leaseId))).toBe(true)
      expect(new Set(grants.map(({ leaseId }) => leaseId)).size).toBe(3)
      for (const { leaseId } of grants) await store.revokeLease(leaseId)
    },
  },
  {
    name: 'lease: a revoked one takes its keys with it in one revision, and is gone',
    async run({ store, at, expect }) {
      const { leaseId } = await store.grantLease(60_000)
      const { revision } = await write(
        store,
        put(at('a'), 'a', leaseId),
        put(at('b'), 'b', leaseId),
        put(at('c')),
      )
      expect((await read(store, at('a')))!.leaseId).toBe(leaseId)
      await using watch = await store.watch({ prefix: at() })
      await store.revokeLease(leaseId)
      const { value } = await readerOf(watch, at()).next()
      expect([value.revision, value.events.length]).toEqual([revision + 1, 2])
      expect((await store.range({ prefix: at() })).entries.map(({ key }) => key)).toEqual([at('c')])
      expect(await codeOf(store.revokeLease(leaseId))).toBe('LEASE_NOT_FOUND')
      expect(await codeOf(store.keepAlive(leaseId))).toBe('LEASE_NOT_FOUND')
    },
  },
  {
    name: 'lease: a key goes with the lease of its latest put, if that had one',
    async run({ store, at, expect }) {
      const [first, second] = [await store.grantLease(60_000), await store.grantLease(60_000)]
      await write(store, put(at('freed'), '1', first.leaseId), put(at('moved'), '1', first.leaseId))
      await write(store, put(at('freed'), '2'), put(at('moved'), '2', second.leaseId))
      await store.revokeLease(first.leaseId)
      const { entries } = await store.range({ prefix: at() })
      expect(entries.map(({ leaseId }) => leaseId)).toEqual([undefined, second.leaseId])
      await store.revokeLease(second.leaseId)
      expect((await store.range({ prefix: at() })).entries.map(({ key }) => key)).toEqual([at('freed')])
    },
  },
  {
    name: 'lease: expires with all its keys in one revision, unless it is renewed',
    async run({ store, at, advance, expect }) {
      const left = await store.grantLease(2_000)
      const kept = await store.grantLease(2_000)
      await write(store, put(at('a'), 'a', left.leaseId), put(at('b'), 'b', left.leaseId))
      await write(store, put(at('kept'), 'kept', kept.leaseId))
      await using watch = await store.watch({ prefix: at() })
      for (let passed = 0; passed < left.ttlMs + 2_000; passed += 500) {
        await advance(500)
        expect((await store.keepAlive(kept.leaseId)).ttlMs).toBe(kept.ttlMs)
      }
      expect((await store.range({ prefix: at() })).entries.map(({ key }) => key)).toEqual([at('kept')])
      expect(await readerOf(watch, at()).told(1)).toEqual(['a delete, b delete'])
      expect(await codeOf(store.keepAlive(left.leaseId))).toBe('LEASE_NOT_FOUND')
      expect(await codeOf(write(store, put(at('late'), 'late', left.leaseId)))).toBe('LEASE_NOT_FOUND')
      await store.revokeLease(kept.leaseId)
    },
  },
  {
    name: 'lease: expires when its client is closed no sooner than its time, and then does',
    async run({ store, connect, at, advance, expect }) {
      const other = await connect()
      const { leaseId, ttlMs } = await other.grantLease(2_000)
      await write(other, put(at('a'), 'a', leaseId))
      await other.close()
      expect((await store.range({ prefix: at() })).count).toBe(1)
      await advance(ttlMs + 2_000)
      expect((await store.range({ prefix: at() })).count).toBe(0)
    },
  },
  {
    name: 'lease: may be renewed and revoked by another client',
    async run({ store, connect, at, expect }) {
      const other = await connect()
      const { leaseId, ttlMs } = await store.grantLease(60_000)
      await write(other, put(at('a'), 'a', leaseId))
      expect(await other.keepAlive(leaseId)).toEqual({ leaseId, ttlMs })
      await other.revokeLease(leaseId)
      expect((await store.range({ prefix: at() })).count).toBe(0)
      await other.close()
    },
  },
  {
    name: 'lease: refuses a time that is none',
    async run({ store, expect }) {
      for (const ttlMs of [0, -1, Number.NaN])
        expect(await codeOf(store.grantLease(ttlMs))).toBe('RangeError')
    },
  },
]
