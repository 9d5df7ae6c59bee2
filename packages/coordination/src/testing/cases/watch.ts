import { type Case, codeOf, put, read, readerOf, remove, type Subject, write } from './case.ts'

export const watchCases: Case[] = [
  {
    name: 'watch: tells each revision from now on in one batch, in order, and only what is selected',
    async run({ store, connect, at, expect }) {
      const other = await connect()
      await write(store, put(at('a/0')))
      await using watch = await store.watch({ prefix: at('a/') })
      const reader = readerOf(watch, at())
      await write(store, put(at('a/1')), put(at('b')), remove(at('a/0')))
      await write(store, put(at('b'), 'again'))
      const { revision } = await write(other, put(at('a/1'), 'new'))
      const { value: batch } = await reader.next()
      expect(batch.events.length).toBe(2)
      const { value: next } = await reader.next()
      expect([next.revision, next.clusterId]).toEqual([revision, watch.started.clusterId])
      expect(batch.revision).toBe(revision - 2)
      const entry = await read(store, at('a/1'))
      expect(next.events).toEqual([{ kind: 'put', entry }])
      await other.close()
    },
  },
  {
    name: 'watch: replays the past from a revision, and goes on without a gap',
    async run({ store, at, expect }) {
      const first = (await write(store, put(at('a'), '1'))).revision
      await write(store, put(at('a'), '2'))
      await write(store, remove(at('a')))
      await using watch = await store.watch({ key: at('a') }, { fromRevision: first + 1 })
      expect(watch.started.revision >= first + 2).toBe(true)
      await write(store, put(at('a'), '3'))
      expect(await readerOf(watch, at()).told(3)).toEqual(['a put 2', 'a delete', 'a put 3'])
    },
  },
  {
    name: 'watch: waits for a revision in the future',
    async run({ store, at, expect }) {
      const { revision } = await write(store, put(at('a'), '0'))
      await using watch = await store.watch({ prefix: at() }, { fromRevision: revision + 2 })
      for (const value of ['1', '2', '3']) await write(store, put(at('a'), value))
      expect(await readerOf(watch, at()).told(2)).toEqual(['a put 2', 'a put 3'])
    },
  },
  {
    name: 'watch: tells a deletion with its revision, and one transaction with 128 writes in one batch',
    async run({ store, at, expect }) {
      await using watch = await store.watch({ prefix: at() })
      const reader = readerOf(watch, at())
      await write(
        store,
        ...Array.from({ length: 128 }, (_, index) => put(at(`k${index}`), 'x'.repeat(1_000))),
      )
      const { revision } = await write(store, { kind: 'delete', at: { prefix: at() } })
      expect((await reader.next()).value.events.length).toBe(128)
      const { events } = (await reader.next()).value
      expect(events.length).toBe(128)
      expect(events.find(({ key }: { key: string }) => key === at('k7'))).toEqual({
        kind: 'delete',
        key: at('k7'),
        modRevision: revision,
      })
    },
  },
  {
    name: 'watch: several of one client are independent of one another',
    async run({ store, at, expect }) {
      const { revision } = await write(store, put(at('a'), '1'))
      const slow = await store.watch({ prefix: at() }, { fromRevision: revision })
      const gone = await store.watch({ prefix: at() })
      const quick = await store.watch({ key: at('b') })
      await gone.close()
      await write(store, put(at('b'), '2'))
      expect(await readerOf(quick, at()).told(1)).toEqual(['b put 2'])
      expect(await readerOf(slow, at()).told(2)).toEqual(['a put 1', 'b put 2'])
      await Promise.all([slow.close(), quick.close()])
    },
  },
  {
    name: 'watch: ends without an error by close, by break, and by return',
    async run({ store, at, expect }) {
      const closed = await store.watch({ prefix: at() })
      const pending = readerOf(closed, at()).next()
      await Promise.all([closed.close(), closed.close()])
      expect((await pending).done).toBe(true)
      expect((await closed[Symbol.asyncIterator]().next()).done).toBe(true)

      const broken = await store.watch({ prefix: at() })
      await write(store, put(at('a')))
      for await (const batch of broken) if (batch.events.length > 0) break
      expect((await broken[Symbol.asyncIterator]().next()).done).toBe(true)

      const returned = await store.watch({ prefix: at() })
      const batches = returned[Symbol.asyncIterator]()
      const waiting = batches.next()
      await batches.return?.()
      expect((await waiting).done).toBe(true)
    },
  },
  {
    name: 'watch: rejects with WATCH_COMPACTED where the history is gone, and tells from where it is kept',
    needs: 'compaction',
    async run(subject) {
      const { store, at, compact, expect } = subject
      const { revision } = await write(store, put(at('a'), '1'))
      await write(store, put(at('a'), '2'))
      await write(store, put(at('a'), '3'))
      await compact!(revision + 2)
      const error = await firstOf(subject, revision).catch((reason: unknown) => reason)
      const { code, fields } = error as { code: string; fields: Record<string, unknown> }
      expect([code, fields['compactRevision']]).toEqual(['WATCH_COMPACTED', revision + 2])
    },
  },
  {
    name: 'watch: one that keeps up is not harmed by a compaction',
    needs: 'compaction',
    async run({ store, at, compact, expect }) {
      await write(store, put(at('a'), '1'))
      await using watch = await store.watch({ prefix: at('a') })
      const reader = readerOf(watch, at())
      for (let count = 0; count < 3; count += 1) await write(store, put(at('b')))
      const { revision } = await write(store, put(at('a'), '2'))
      expect(await reader.told(1)).toEqual(['a put 2'])
      await compact!(revision)
      await write(store, put(at('a'), '3'))
      expect(await reader.told(1)).toEqual(['a put 3'])
    },
  },
  {
    name: 'watch: what a reader does to the bytes stays with it',
    async run({ store, at, expect }) {
      await using watch = await store.watch({ prefix: at() })
      const { revision } = await write(store, put(at('a'), '1'))
      const { value } = await readerOf(watch, at()).next()
      for (const event of value.events) event.entry.value.fill(0)
      await using again = await store.watch({ prefix: at() }, { fromRevision: revision })
      expect(await readerOf(again, at()).told(1)).toEqual(['a put 1'])
    },
  },
  {
    name: 'watch: the signal ends the call, not the watch',
    async run({ store, at, expect }) {
      const abort = new AbortController()
      await using watch = await store.watch({ prefix: at() }, { signal: abort.signal })
      abort.abort()
      await write(store, put(at('a'), '1'))
      expect(await readerOf(watch, at()).told(1)).toEqual(['a put 1'])
    },
  },
  {
    name: 'watch: refuses an empty key',
    async run({ store, expect }) {
      expect(await codeOf(store.watch({ key: '' }))).toBe('STORE_REFUSED')
    },
  },
]

/** The first batch of a watch, or the error of either the call or the watch. */
async function firstOf({ store, at }: Subject, fromRevision: number): Promise<unknown> {
  await using watch = await store.watch({ prefix: at() }, { fromRevision })
  return await readerOf(watch, at()).next()
}
