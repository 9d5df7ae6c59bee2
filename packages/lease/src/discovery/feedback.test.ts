import { expect, test } from 'vitest'
import { createFeedback } from './feedback.ts'

test('failures in a row leave an instance out for longer, up to six times; a success forgets them', () => {
  const feedback = createFeedback(10)
  const times: number[] = []
  for (let failure = 1; failure <= 8; failure += 1) {
    feedback.report('a', 'failed', 1_000)
    times.push(feedback.nextReturnMs(1_000) - 1_000)
  }
  expect(times).toEqual([10, 20, 30, 40, 50, 60, 60, 60])
  expect([feedback.isFailed('a', 1_059), feedback.isFailed('a', 1_060)]).toEqual([true, false])
  feedback.report('a', 'succeeded', 1_060)
  feedback.report('a', 'failed', 1_060)
  expect(feedback.nextReturnMs(1_060)).toBe(1_070)
})

test('whose time is over is no reason to look again', () => {
  const feedback = createFeedback(10)
  feedback.report('a', 'failed', 0)
  feedback.report('b', 'failed', 5)
  expect([0, 10, 15].map((nowMs) => feedback.nextReturnMs(nowMs))).toEqual([10, 15, Infinity])
})
