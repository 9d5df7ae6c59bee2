import { expect, test } from 'vitest'
import { type Currency, createCurrency, type Found, type Read } from './currency.ts'

const read = (number: number): Read => ({ number, sentMs: number * 1_000, sentUptimeMs: number * 1_000 })
const at = (revision: number, count = 1): Found => ({ revision, count })

function opened(onProven?: () => void): Currency {
  const currency = createCurrency(onProven)
  currency.restart(read(1), at(10))
  return currency
}

/** A read that was under way while nothing happened. */
function sendRead(currency: Currency, number: number, found: Found): string {
  currency.begin(10, 1)
  const judgement = currency.found(read(number), found)
  currency.end()
  return judgement
}

test('nothing is proven before the first read', () => {
  expect(Number.isFinite(createCurrency().proven.sentMs)).toBe(false)
})

test('an event alone proves nothing', () => {
  const currency = opened()
  currency.reached(20, 5)
  expect(currency.proven.number).toBe(1)
})

test('a read proves the moment it was sent once all that it found is reached, no sooner', () => {
  const currency = opened()
  sendRead(currency, 2, at(15, 3))
  expect(currency.reached(14, 2)).toBe('sound')
  expect(currency.proven.number).toBe(1)
  expect(currency.reached(15, 3)).toBe('sound')
  expect([currency.proven.number, currency.proven.sentMs, currency.provenRevision]).toEqual([2, 2_000, 15])
})

test('another number of keys at the revision read is a divergence, and no proof', () => {
  const currency = opened()
  sendRead(currency, 2, at(15, 3))
  expect(currency.reached(16, 4)).toBe('diverged')
  expect(currency.proven.number).toBe(1)
})

test('a read that is overtaken by the events is judged by where the replica stood', () => {
  for (const [count, judgement, proven] of [
    [2, 'sound', 2],
    [3, 'diverged', 1],
  ] as const) {
    const currency = opened()
    currency.begin(10, 1)
    currency.reached(12, 2)
    currency.reached(14, 3)
    expect(currency.found(read(2), at(13, count))).toBe(judgement)
    currency.end()
    expect(currency.proven.number).toBe(proven)
  }
})

test('the same content is a proof, which late events of the past take back until they are passed', () => {
  const currency = opened()
  currency.same(read(2), at(20))
  currency.same(read(3), at(30))
  expect(currency.proven.number).toBe(3)
  currency.show(25)
  expect([currency.proven.number, currency.provenRevision]).toEqual([2, 20])
  currency.reached(25, 2)
  expect(currency.proven.number).toBe(2)
  currency.reached(31, 1)
  expect(currency.proven.number).toBe(3)
})

test('a notice of progress makes a proof by content one that stays', () => {
  const currency = opened()
  currency.same(read(2), at(20))
  currency.reached(20, 1)
  currency.show(21)
  expect(currency.proven.number).toBe(2)
})

test('a snapshot forgets the marks of what was before', () => {
  const currency = opened()
  sendRead(currency, 2, at(15, 3))
  currency.restart(read(3), at(5))
  expect(currency.reached(100, 1)).toBe('sound')
  expect([currency.proven.number, currency.provenRevision]).toEqual([3, 5])
})

test('however many reads wait, the oldest and the newest are kept', () => {
  const currency = opened()
  for (let number = 2; number < 200; number += 1) sendRead(currency, number, at(10 + number))
  currency.reached(12, 1)
  expect(currency.proven.number).toBe(2)
  currency.reached(1_000, 1)
  expect(currency.proven.number).toBe(199)
  for (let number = 200; number < 400; number += 1) currency.same(read(number), at(1_000 + number))
  currency.show(1_201)
  expect(currency.proven.number).toBe(200)
})

test('tells of each newer proof once', () => {
  let proofs = 0
  const currency = opened(() => {
    proofs += 1
  })
  currency.same(read(2), at(20))
  currency.show(15)
  currency.reached(25, 1)
  currency.same(read(3), at(30))
  expect(proofs).toBe(3)
})
