import { expect, test } from 'vitest'
import { isConnectionLost, isPermissionDenied, isStaleToken, toStoreError } from './status.ts'

test.each([
  [5, 'etcdserver: requested lease not found', 'LEASE_NOT_FOUND', false],
  [11, 'etcdserver: mvcc: required revision has been compacted', 'WATCH_COMPACTED', false],
  [11, 'etcdserver: mvcc: required revision is a future revision', 'STORE_REFUSED', false],
  [3, 'etcdserver: too many operations in txn request', 'STORE_REFUSED', false],
  [3, 'etcdserver: duplicate key given in txn request', 'STORE_REFUSED', false],
  [3, 'etcdserver: request is too large', 'STORE_REFUSED', false],
  [8, 'grpc: received message larger than max (9 vs. 4)', 'STORE_REFUSED', false],
  [8, 'etcdserver: mvcc: database space exceeded', 'STORE_REFUSED', true],
  [8, 'etcdserver: too many requests', 'STORE_UNAVAILABLE', true],
  [7, 'etcdserver: permission denied', 'STORE_DENIED', false],
  [16, 'etcdserver: invalid auth token', 'STORE_DENIED', false],
  [3, 'etcdserver: user name is empty', 'STORE_DENIED', false],
  [3, 'etcdserver: authentication failed, invalid user ID or password', 'STORE_DENIED', false],
  [14, 'No connection established. Last error: self-signed certificate', 'STORE_DENIED', false],
  [14, 'No connection established. Last error: connect ECONNREFUSED', 'STORE_UNAVAILABLE', true],
  [14, 'etcdserver: leader changed', 'STORE_UNAVAILABLE', true],
  [13, 'Received RST_STREAM', 'STORE_UNAVAILABLE', true],
  [2, 'context canceled', 'STORE_UNAVAILABLE', true],
])('%i %s is %s', (code, details, expected, retryable) => {
  const error = toStoreError({ code, details }, 'http://a: range', { key: 'a' })
  expect([error.code, error.retryable, error.fields]).toEqual([expected, retryable, { key: 'a' }])
  expect(error.cause).toMatchObject({ code, details })
  expect(error.message).toBe(`http://a: range: ${details}`)
})

test('the connection is given up when it broke or its member cannot serve, not when etcd said no', () => {
  const lost = [
    [14, 'Connection dropped'],
    [14, 'etcdserver: no leader'],
    [13, 'Received RST_STREAM'],
  ] as const
  const kept = [
    [14, 'etcdserver: leader changed'],
    [8, 'etcdserver: too many requests'],
    [2, 'context canceled'],
    [7, 'etcdserver: permission denied'],
    [1, 'cancelled by the caller'],
  ] as const
  for (const [code, details] of lost) expect(isConnectionLost({ code, details })).toBe(true)
  for (const [code, details] of kept) expect(isConnectionLost({ code, details })).toBe(false)
})

test('a stale token and a missing right are told apart, and a message alone is neither', () => {
  const error = (details: string): Error => toStoreError({ code: 3, details }, 'a')
  expect(isStaleToken(error('etcdserver: invalid auth token'))).toBe(true)
  expect(isStaleToken(error('etcdserver: revision of auth store is old'))).toBe(true)
  expect(isStaleToken(error('etcdserver: permission denied'))).toBe(false)
  expect(isPermissionDenied(error('etcdserver: permission denied'))).toBe(true)
  expect(isStaleToken(new Error('invalid auth token'))).toBe(false)
})
