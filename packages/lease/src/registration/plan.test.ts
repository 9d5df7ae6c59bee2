import type { Entry } from '@holdfast/coordination'
import { expect, test } from 'vitest'
import { entryAfter, isLeaseInDoubt, stepTowards, transactionOf, type Wish } from './plan.ts'
import { encodeRecord } from './record.ts'

const me = { owner: 'me', leaseId: '7' }
const record = (owner: string, incarnation: number, metadata: unknown = 1): Uint8Array =>
  encodeRecord({ owner, incarnation, draining: false, metadata })
const wish: Wish = { key: 'k', incarnation: 5, value: record('me', 5) }
const leaving: Wish = { ...wish, value: undefined }
const entry = (value: Uint8Array, leaseId?: string): Entry => ({
  ...{ key: 'k', value, createRevision: 2, modRevision: 4, version: 3 },
  ...(leaseId === undefined ? {} : { leaseId }),
})

test.each<[string, Entry | undefined, string, string]>([
  ['nothing', undefined, 'put', 'none'],
  ['ours, as wished', entry(record('me', 5), '7'), 'none', 'delete'],
  ['ours, with an old lease', entry(record('me', 5), '6'), 'put', 'delete'],
  ['ours, without a lease', entry(record('me', 5)), 'put', 'delete'],
  ['ours, with other metadata', entry(record('me', 5, 2), '7'), 'put', 'delete'],
  ['a lower incarnation', entry(record('you', 4), '8'), 'put', 'none'],
  ['the same incarnation', entry(record('you', 5), '8'), 'foreign', 'none'],
  ['a higher incarnation', entry(record('you', 6), '8'), 'foreign', 'none'],
  [
    'of a later version, higher',
    entry(Buffer.from('{"v":2,"owner":"you","incarnation":6}')),
    'foreign',
    'none',
  ],
  ['what nobody owns', entry(Buffer.from('{')), 'put', 'none'],
])('where %s stands', (_, standing, toHave, toLeave) => {
  expect(stepTowards(wish, standing, me)).toBe(toHave)
  expect(stepTowards(leaving, standing, me)).toBe(toLeave)
})

test.each<[string, Entry | undefined, Entry | undefined, boolean]>([
  ['what stood with our lease is gone', entry(record('me', 5), '7'), undefined, true],
  ['it was written over', entry(record('me', 5), '7'), entry(record('you', 6), '8'), false],
  ['it stood with an old lease', entry(record('me', 5), '6'), undefined, false],
  ['it stood without a lease', entry(record('me', 5)), undefined, false],
  ['nothing was known to stand there', undefined, undefined, false],
])('%s: whether that speaks against the lease', (_, seen, standing, speaks) => {
  expect(isLeaseInDoubt(seen, standing, me)).toBe(speaks)
})

test('a step is taken only over what was seen, else what stands is read', () => {
  const seen = entry(record('me', 5), '6')
  const {
    when,
    then,
    else: otherwise,
  } = transactionOf(
    [
      { wish, seen, step: 'put' },
      { wish: { ...leaving, key: 'l' }, seen: undefined, step: 'delete' },
    ],
    me,
  )
  expect(when).toEqual([
    { key: 'k', target: 'modRevision', is: '=', to: 4 },
    { key: 'l', target: 'modRevision', is: '=', to: 0 },
  ])
  expect(then).toEqual([
    { kind: 'put', key: 'k', value: wish.value, leaseId: '7' },
    { kind: 'delete', at: { key: 'l' } },
  ])
  expect(otherwise).toEqual(['k', 'l'].map((key) => ({ kind: 'range', at: { key } })))
})

test('what stands after a step is known without reading', () => {
  const seen = entry(record('me', 5), '6')
  expect(entryAfter({ wish, seen, step: 'put' }, 9, '7')).toEqual({
    ...{ key: 'k', value: wish.value, createRevision: 2, modRevision: 9, version: 4, leaseId: '7' },
  })
  expect(entryAfter({ wish, seen: undefined, step: 'put' }, 9, '7')).toMatchObject({
    createRevision: 9,
    version: 1,
  })
  expect(entryAfter({ wish: leaving, seen, step: 'delete' }, 9, '7')).toBeUndefined()
})
