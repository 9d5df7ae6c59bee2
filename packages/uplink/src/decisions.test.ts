import { expect, test } from 'vitest'
import { closedCircuit, onCancel, onFailure, onSend, onSuccess, waitMs } from './gate/circuit.ts'
import { fullBucket, takeTokens, tokensInMs } from './gate/rate.ts'
import { batchKey, fitting, halves, isFull, type Parcel } from './ship/batch.ts'
import { fateOf, partialVerdicts, refusesMessage, retryAfterMs } from './ship/verdict.ts'
import type { UplinkJob } from './types.ts'

const parcels = (...sizes: number[]): Parcel[] =>
  sizes.map((size, at) => ({ job: { id: `m${at}` } as UplinkJob, bytes: new Uint8Array(size) }))

test('a batch ends at the count, at the bytes, and never before its first message', () => {
  const size = { maxMessages: 3, maxBytes: 100 }
  expect(fitting(parcels(10, 10, 10, 10), size)).toBe(3)
  expect(fitting(parcels(60, 40, 1), size)).toBe(2)
  expect(fitting(parcels(60, 41), size)).toBe(1)
  expect(fitting(parcels(500, 1), size)).toBe(1)
  expect(fitting([], size)).toBe(0)
  expect([isFull(parcels(1, 1), size), isFull(parcels(1, 1, 1), size), isFull(parcels(100), size)]).toEqual([
    false,
    true,
    true,
  ])
})

test('a batch’s key tells its messages and their order, and not where one id ends', () => {
  const keyOf = (...ids: string[]) =>
    batchKey(ids.map((id) => ({ job: { id } as UplinkJob, bytes: new Uint8Array() })))
  expect(keyOf('a', 'b')).toBe(keyOf('a', 'b'))
  expect(new Set([keyOf('a', 'b'), keyOf('b', 'a'), keyOf('ab'), keyOf('a'), keyOf('a', '1:b')]).size).toBe(5)
})

test('halves lose nothing and both get smaller', () => {
  expect(halves([1, 2, 3])).toEqual([[1, 2], [3]])
  expect(halves([1, 2])).toEqual([[1], [2]])
})

test('a circuit: closed, open, one try, open for twice as long, closed', () => {
  const limits = { failures: 2, openMs: 100, maxOpenMs: 150 }
  const one = onFailure(closedCircuit, 0, limits)
  expect(waitMs(one, 0)).toBe(0)
  const open = onFailure(one, 10, limits)
  expect([waitMs(open, 10), waitMs(open, 60), waitMs(open, 110), waitMs(open, 999)]).toEqual([100, 50, 0, 0])
  expect(onFailure(open, 20, limits)).toMatchObject({ state: 'open', until: 110, failures: 3 })
  const trying = onSend(open)
  expect(waitMs(trying, 110)).toBe(Number.POSITIVE_INFINITY)
  expect(onCancel(trying, 120)).toMatchObject({ state: 'open', until: 120 })
  expect(onFailure(trying, 120, limits)).toMatchObject({
    state: 'open',
    until: 270,
    openMs: 150,
    failures: 3,
  })
  expect(onSuccess()).toEqual(closedCircuit)
  expect(onCancel(one, 5)).toEqual(one)
})

test('a bucket gives a burst, then the rate; a batch larger than it waits for all of it and leaves debt', () => {
  const rate = { max: 10, perMs: 1_000 }
  const full = fullBucket(rate, 0)
  expect(tokensInMs(full, 10, rate, 0)).toBe(0)
  const empty = takeTokens(full, 10, rate, 0)
  expect(tokensInMs(empty, 3, rate, 0)).toBe(300)
  expect(tokensInMs(empty, 3, rate, 300)).toBe(0)
  const debt = takeTokens(full, 30, rate, 0)
  expect(tokensInMs(debt, 1, rate, 0)).toBe(2_100)
  expect(tokensInMs(full, 30, rate, 99_999)).toBe(0)
})

test('who is to blame for a status', () => {
  const refused = [400, 402, 406, 409, 410, 411, 413, 414, 415, 422, 431, 451]
  const again = [300, 302, 401, 403, 404, 405, 407, 408, 421, 425, 429, 500, 501, 503, 599]
  expect(refused.map((status) => fateOf(status, refusesMessage))).toEqual(refused.map(() => 'refused'))
  expect(again.map((status) => fateOf(status, refusesMessage))).toEqual(again.map(() => 'again'))
  expect([200, 202, 204, 299].map((status) => fateOf(status, refusesMessage))).toEqual(
    Array(4).fill('accepted'),
  )
})

test('a partial answer is one only with results that can be read', () => {
  const answer = (status: number, body: string, type = 'application/json', isWhole = true) =>
    partialVerdicts({ status, headers: { 'content-type': type }, body, isWhole }, refusesMessage)
  const results = JSON.stringify({
    results: [
      { id: 'a', status: 200 },
      { id: 'b', status: 400, error: 'x' },
    ],
  })
  expect(answer(200, results)).toEqual(
    new Map([
      ['a', { fate: 'accepted', status: 200, detail: '' }],
      ['b', { fate: 'refused', status: 400, detail: 'x' }],
    ]),
  )
  expect(answer(207, results, 'application/problem+json; charset=utf-8')).toBeInstanceOf(Map)
  expect(answer(200, '{"ok":true}')).toBeUndefined()
  expect(answer(200, results, 'text/plain')).toBeUndefined()
  expect(answer(422, results)).toBeUndefined()
  for (const body of ['', '  ', '{"results":{}}', 'null'])
    expect([body, answer(200, body)]).toEqual([body, undefined])
  for (const body of ['{"results":[{"id":"a","sta', '{"results":[{"id":1,"status":200}]}', '<!DOCTYPE html>'])
    expect([body, answer(200, body)]).toEqual([body, 'bad'])
  expect(answer(200, results, 'application/json', false)).toBe('bad')
  expect(answer(200, '\n<html><form>Wi-Fi login', 'text/html')).toBe('bad')
  expect(answer(200, 'OK', 'text/html')).toBeUndefined()
  for (const body of ['', '{', '{"results":[{"id":1,"status":200}]}', '{"results":{}}', 'null'])
    expect([body, answer(207, body)]).toEqual([body, 'bad'])
  expect(answer(207, results, 'text/plain')).toBe('bad')
})

test('Retry-After in seconds, as a date, past, and as nonsense', () => {
  const wall = Date.UTC(2026, 0, 1)
  const asked = (value?: string) =>
    retryAfterMs({ status: 503, headers: { 'retry-after': value }, body: '', isWhole: true }, wall)
  expect([asked('0'), asked(' 12 '), asked('Thu, 01 Jan 2026 00:01:00 GMT')]).toEqual([0, 12_000, 60_000])
  expect([asked('Wed, 31 Dec 2025 00:00:00 GMT'), asked('-5'), asked('soon'), asked()]).toEqual([
    0,
    undefined,
    undefined,
    undefined,
  ])
})
