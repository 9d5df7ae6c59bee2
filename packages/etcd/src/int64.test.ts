import { expect, test } from 'vitest'
import { checkInt64, isLeaseId, toNumber } from './int64.ts'

test('numbers beyond 2^53 are an error, never rounded', () => {
  expect(toNumber('9007199254740991')).toBe(Number.MAX_SAFE_INTEGER)
  expect(() => toNumber('9007199254740993')).toThrow(RangeError)
  expect(() => toNumber('x')).toThrow(RangeError)
})

test('lease ids are positive int64', () => {
  for (const id of ['1', '9223372036854775807']) expect(isLeaseId(id)).toBe(true)
  for (const id of ['', '0', '-1', '01', 'a', '9223372036854775808', '1.5']) expect(isLeaseId(id)).toBe(false)
})

test('ids that were rounded on their way are found out', () => {
  const rounded = '8793690687411855000'
  expect(() => checkInt64({ cluster_id: rounded, member_id: '10276657743932975000' })).toThrow('long')
  checkInt64({ cluster_id: rounded, member_id: '10276657743932975437' })
  checkInt64({ cluster_id: '12', member_id: '13' })
})
