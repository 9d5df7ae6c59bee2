import { expect, test } from 'vitest'
import { defineErrors, HoldfastError, isHoldfastError } from './errors.ts'

const thingError = defineErrors<'THING_BUSY' | 'THING_GONE'>({
  THING_BUSY: 'retryable',
  THING_GONE: 'permanent',
})

test('an error carries its code, fields, cause and whether to try again', () => {
  const cause = new Error('below')
  const error = thingError('THING_BUSY', 'The thing is busy', { cause, fields: { key: 'a' } })
  expect(error).toBeInstanceOf(HoldfastError)
  expect(error).toMatchObject({
    code: 'THING_BUSY',
    retryable: true,
    fields: { key: 'a' },
    cause,
    name: 'HoldfastError',
  })
  expect(thingError('THING_GONE', 'Gone')).toMatchObject({ retryable: false, fields: {} })
  expect('cause' in thingError('THING_GONE', 'Gone')).toBe(false)
  expect(thingError('THING_GONE', 'Gone', { retryable: true }).retryable).toBe(true)
})

test('is told by code, across copies of the package, and nothing else is', () => {
  const copy = Object.assign(new Error('x'), { code: 'THING_GONE', [Symbol.for('@holdfast/error')]: true })
  expect(isHoldfastError(copy)).toBe(true)
  expect(isHoldfastError(copy, 'THING_GONE')).toBe(true)
  expect(isHoldfastError(copy, 'THING_BUSY')).toBe(false)
  for (const other of [undefined, null, 'THING_GONE', { code: 'THING_GONE' }, new Error('THING_GONE')])
    expect(isHoldfastError(other)).toBe(false)
})

test('the codes can be listed', () => {
  expect(thingError.codes).toEqual({ THING_BUSY: 'retryable', THING_GONE: 'permanent' })
})
