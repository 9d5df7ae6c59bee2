import { isHoldfastError } from '@holdfast/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createNamespace, prefixEnd } from './keys.ts'

const within = (
  key: Buffer,
  { key: start, range_end: end }: { key: Buffer; range_end?: Buffer },
): boolean => {
  if (!end) return key.equals(start)
  const open = end.equals(Buffer.from([0]))
  return Buffer.compare(key, start) >= 0 && (open || Buffer.compare(key, end) < 0)
}

test('a prefix selects exactly the keys that begin with it, whatever the bytes', () => {
  const text = fc.string({ unit: 'binary', maxLength: 6 })
  fc.assert(
    fc.property(
      text,
      text,
      text.filter((key) => key !== ''),
      (prefix, selected, key) => {
        const namespace = createNamespace(prefix)
        const stored = namespace.key(key)
        const prefixed = within(stored, namespace.range({ prefix: selected })) === key.startsWith(selected)
        return namespace.decode(stored) === key && prefixed && within(stored, namespace.range({ key }))
      },
    ),
  )
})

test('the end of a prefix skips the bytes that cannot be raised', () => {
  expect(prefixEnd(Buffer.from('ab'))).toEqual(Buffer.from('ac'))
  expect(prefixEnd(Buffer.from([0x61, 0xff, 0xff]))).toEqual(Buffer.from('b'))
  expect(prefixEnd(Buffer.from([0xff]))).toEqual(Buffer.from([0]))
})

test('every key, with and without a namespace', () => {
  const zero = Buffer.from([0])
  expect(createNamespace('').range({ prefix: '' })).toEqual({ key: zero, range_end: zero })
  expect(createNamespace('a/').range({ prefix: '' })).toEqual({
    key: Buffer.from('a/'),
    range_end: Buffer.from('a0'),
  })
})

test.each(['', 'half\ud800'])('the key %j is refused', (key) => {
  let thrown: unknown
  try {
    createNamespace('a/').key(key)
  } catch (error) {
    thrown = error
  }
  expect(isHoldfastError(thrown, 'STORE_REFUSED')).toBe(true)
})
