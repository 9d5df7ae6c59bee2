import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareKeys, lowerBound } from './keys.ts'

const key = fc.string({ unit: 'binary', maxLength: 4 })
const order = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))

test('keys compare as their bytes do', () => {
  fc.assert(
    fc.property(key, key, (a, b) => {
      expect(Math.sign(compareKeys(a, b))).toBe(order(a, b))
    }),
  )
})

test('a key is found where it stands, or would', () => {
  fc.assert(
    fc.property(fc.array(key), key, (keys, wanted) => {
      const sorted = keys.toSorted(order)
      const expected = sorted.filter((other) => order(other, wanted) < 0).length
      expect(lowerBound(sorted, wanted, (other) => other)).toBe(expected)
    }),
  )
})
