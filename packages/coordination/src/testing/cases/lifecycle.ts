import type { CoordinationStore, Watch } from '../../store.ts'
import { type Case, codeOf, put, readerOf, write } from './case.ts'

type Wait = { signal?: AbortSignal }

/** Every call, in a form that would succeed on a running store. */
const calls: Record<
  string,
  (store: CoordinationStore, key: string, leaseId: string, wait?: Wait) => Promise<unknown>
> = {
  range: (store, key, _, wait) => store.range({ key }, wait),
  transact: (store, key, _, wait) => store.transact({ then: [put(key)] }, wait),
  watch: (store, key, _, wait) => store.watch({ key }, wait),
  grantLease: (store, _key, _, wait) => store.grantLease(60_000, wait),
  keepAlive: (store, _, leaseId, wait) => store.keepAlive(leaseId, wait),
  revokeLease: (store, _, leaseId, wait) => store.revokeLease(leaseId, wait),
}

export const lifecycleCases: Case[] = [
  {
    name: 'closed: every call rejects with STORE_CLOSED, while it closes and after',
    async run({ store, at, expect }) {
      const { leaseId } = await store.grantLease(2_000)
      const closing = store.close()
      for (const [method, call] of Object.entries(calls))
        expect(await codeOf(call(store, at('a'), leaseId)), method).toBe('STORE_CLOSED')
      await closing
      for (const [method, call] of Object.entries(calls))
        expect(await codeOf(call(store, at('a'), leaseId)), method).toBe('STORE_CLOSED')
    },
  },
  {
    name: 'closed: closing is idempotent, by either name and at once',
    async run({ store, expect }) {
      await Promise.all([store.close(), store.close(), store[Symbol.asyncDispose]()])
      expect(await codeOf(store.close())).toBe('resolved')
    },
  },
  {
    name: 'closed: what was under way settles, applied or not',
    async run({ store, connect, at, expect }) {
      const other = await connect()
      const { leaseId } = await other.grantLease(60_000)
      const under = Object.values(calls).map((call) => codeOf(call(other, at('a'), leaseId)))
      await other.close()
      const settled = await Promise.all(under)
      const allowed = ['resolved', 'STORE_CLOSED', 'STORE_UNAVAILABLE']
      expect(settled.filter((code) => !allowed.includes(code))).toEqual([])
      expect((await store.range({ prefix: at() })).count <= 1).toBe(true)
    },
  },
  {
    name: 'closed: open watches reject with STORE_CLOSED, and closing them then is harmless',
    async run({ store, at, expect }) {
      const watch = await store.watch({ prefix: at() })
      const pending = codeOf(readerOf(watch, at()).next())
      await store.close()
      expect(await pending).toBe('STORE_CLOSED')
      await watch.close()
    },
  },
  {
    name: 'closed: another client and its watches go on',
    async run({ store, connect, at, expect }) {
      const other = await connect()
      const watch = await other.watch({ prefix: at() })
      await store.close()
      await write(other, put(at('a'), '1'))
      expect(await readerOf(watch, at()).told(1)).toEqual(['a put 1'])
      await watch.close()
      await other.close()
    },
  },
  {
    name: 'aborted: every call rejects with the reason of a signal that had aborted, and does nothing',
    async run({ store, at, expect }) {
      const { leaseId } = await store.grantLease(60_000)
      const reason = new Error('enough')
      for (const [method, call] of Object.entries(calls)) {
        const error = await call(store, at('a'), leaseId, { signal: AbortSignal.abort(reason) }).catch(
          (e) => e,
        )
        expect(error, method).toBe(reason)
      }
      expect((await store.range({ prefix: at() })).count).toBe(0)
      await store.revokeLease(leaseId)
    },
  },
  {
    name: 'aborted: a call that is aborted under way settles, and the store goes on',
    async run({ store, at, expect }) {
      const { leaseId } = await store.grantLease(60_000)
      for (const [method, call] of Object.entries(calls)) {
        const abort = new AbortController()
        const reason = new Error('enough')
        const settled = call(store, at('a'), leaseId, { signal: abort.signal }).then(
          (result) => (result as Partial<Watch> | undefined)?.close?.(),
          (error: unknown) => error,
        )
        abort.abort(reason)
        expect([undefined, reason].includes((await settled) as undefined), method).toBe(true)
      }
      expect(await codeOf(store.range({ prefix: at() }))).toBe('resolved')
    },
  },
]
