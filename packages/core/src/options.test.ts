import { expect, test } from 'vitest'
import { checkFunction, checkInteger, checkMethods, checkNumber, checkOneOf, checkString } from './options.ts'

test('numbers: kind and range, and the option is named', () => {
  expect(checkNumber('rate', 0.5, { min: 0, max: 1 })).toBe(0.5)
  expect(() => checkNumber('rate', '1')).toThrow(new TypeError('rate must be a number, got "1"'))
  expect(() => checkNumber('rate', Number.NaN)).toThrow(RangeError)
  expect(() => checkNumber('rate', 2, { min: 0, max: 1 })).toThrow(
    new RangeError('rate must be a number ≥ 0 ≤ 1, got 2'),
  )
  expect(() => checkNumber('rate', Number.POSITIVE_INFINITY)).toThrow(RangeError)
  expect(checkNumber('rate', Number.POSITIVE_INFINITY, { max: Number.POSITIVE_INFINITY })).toBe(
    Number.POSITIVE_INFINITY,
  )
})

test('integers', () => {
  expect(checkInteger('max', 3, { min: 1 })).toBe(3)
  expect(() => checkInteger('max', 1.5)).toThrow(new RangeError('max must be an integer, got 1.5'))
  expect(() => checkInteger('max', 0, { min: 1 })).toThrow(
    new RangeError('max must be an integer ≥ 1, got 0'),
  )
  expect(() => checkInteger('max', Number.POSITIVE_INFINITY)).toThrow(RangeError)
  expect(checkInteger('max', Number.POSITIVE_INFINITY, { max: Number.POSITIVE_INFINITY })).toBe(
    Number.POSITIVE_INFINITY,
  )
})

test('strings, choices, functions and ports', () => {
  expect(checkString('name', 'a')).toBe('a')
  expect(() => checkString('name', '')).toThrow(new TypeError('name must be a non-empty string, got ""'))
  expect(checkOneOf('mode', 'a', ['a', 'b'])).toBe('a')
  expect(() => checkOneOf('mode', 'c', ['a', 'b'])).toThrow(
    new TypeError('mode must be one of "a", "b", got "c"'),
  )
  const send = (): void => undefined
  expect(checkFunction('send', send)).toBe(send)
  expect(() => checkFunction('send', {} as never)).toThrow(
    new TypeError('send must be a function, got an object'),
  )
  const queue = { take: send }
  expect(checkMethods('queue', queue, ['take'])).toBe(queue)
  expect(() => checkMethods('queue', undefined as unknown as typeof queue, ['take'])).toThrow(
    new TypeError('queue must have take(), got undefined'),
  )
})
