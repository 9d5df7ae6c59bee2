import type { HoldfastError } from '@holdfast/core'
import { createFakeClock } from '@holdfast/core/testing'
import type { ILeaseKeepAliveRequest, ILeaseKeepAliveResponse } from 'etcd3'
import { expect, test } from 'vitest'
import type { Connection, StreamPlan } from './connection.ts'
import { createKeepAlives } from './keep-alives.ts'
import { toStoreError } from './status.ts'

type Plan = StreamPlan<ILeaseKeepAliveRequest, ILeaseKeepAliveResponse>

/** A connection whose one stream is answered by the test. */
function subject() {
  const clock = createFakeClock()
  const sent: unknown[] = []
  const state = {
    endpoint: 'http://a',
    broken: undefined as HoldfastError | undefined,
    heardMs: 0,
    settledCount: 0,
    settled: () => {
      state.settledCount += 1
    },
    stream: async (opened: Plan) => {
      plans.push(opened)
      return { token: undefined, write: ({ ID }: ILeaseKeepAliveRequest) => sent.push(ID), end: () => {} }
    },
    break: (reason: HoldfastError) => {
      state.broken = reason
      plans.at(-1)!.onBroken(reason)
    },
  }
  const plans: Plan[] = []
  const keepAlives = createKeepAlives({ connection: state as unknown as Connection, timeoutMs: 100, clock })
  const answer = (ID: string, TTL: string): void =>
    plans.at(-1)!.onData({ ID, TTL } as ILeaseKeepAliveResponse)
  const renew = (leaseId: string, signal?: AbortSignal): Promise<unknown> =>
    keepAlives.renew(leaseId, signal).then(
      ({ ttlMs }) => ttlMs,
      (error) => error.code ?? error,
    )
  return { clock, sent, state, plans, answer, renew }
}

test('all renewals share one stream, and every answer goes to the oldest renewal of its lease', async () => {
  const { clock, sent, plans, state, answer, renew } = subject()
  const renewals = ['1', '2', '1'].map((leaseId) => renew(leaseId))
  await clock.advance(40)
  expect([sent, plans.length, plans[0]!.isIdle()]).toEqual([['1', '2', '1'], 1, false])
  answer('1', '10')
  answer('2', '0')
  answer('3', '10')
  expect(state.settledCount).toBe(0)
  answer('1', '20')
  expect(await Promise.all(renewals)).toEqual([10_000, 'LEASE_NOT_FOUND', 20_000])
  expect([state.settledCount, plans[0]!.isIdle()]).toEqual([1, true])
})

test('an aborted renewal still takes its own answer, not that of the next', async () => {
  const { clock, answer, renew } = subject()
  const abort = new AbortController()
  const first = renew('1', abort.signal)
  const second = renew('1')
  await clock.advance(0)
  abort.abort('enough')
  expect(await first).toBe('enough')
  answer('1', '0')
  answer('1', '20')
  expect(await second).toBe(20_000)
  expect(await renew('1', AbortSignal.abort('before'))).toBe('before')
})

test('no answer in time: the renewal fails, and the connection with it if nothing was heard since', async () => {
  const { clock, state, renew } = subject()
  const first = renew('1')
  await clock.advance(50)
  state.heardMs = 50
  const second = renew('1')
  await clock.advance(50)
  expect([await first, state.broken]).toEqual(['STORE_UNAVAILABLE', undefined])
  state.heardMs = 49
  await clock.advance(50)
  expect([await second, state.broken?.code]).toEqual(['STORE_UNAVAILABLE', 'STORE_UNAVAILABLE'])
  expect(clock.sleepers).toBe(0)
})

test('a broken stream fails all that wait, and leaves no timer', async () => {
  const { clock, plans, renew, answer } = subject()
  const renewals = [renew('1'), renew('2')]
  await clock.advance(0)
  plans[0]!.onBroken(toStoreError({ code: 7, details: 'permission denied' }, 'a'))
  expect(await Promise.all(renewals)).toEqual(['STORE_DENIED', 'STORE_DENIED'])
  expect(clock.sleepers).toBe(0)
  const again = renew('1')
  await clock.advance(0)
  answer('1', '10')
  expect([await again, plans.length]).toEqual([10_000, 2])
})
