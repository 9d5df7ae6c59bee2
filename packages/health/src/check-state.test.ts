import fc from 'fast-check'
import { expect, test } from 'vitest'
import { afterRun, type CheckState, neverRun, type Outcome, statusAt } from './check-state.ts'

const passed: Outcome = { kind: 'passed', observation: {} }
const failed: Outcome = { kind: 'failed', error: new Error('down') }
const timedOut: Outcome = { kind: 'timed-out', error: new Error('late') }
const rules = { passAfter: 2, failAfter: 3, staleAfterMs: 100 }

function replay(outcomes: readonly Outcome[], stepMs = 10): CheckState {
  return outcomes.reduce<CheckState>(
    (state, outcome, at) => afterRun(state, outcome, rules, { now: at * stepMs, durationMs: 1 }),
    neverRun,
  )
}

test('flapping exactly below the thresholds changes nothing, and at them it does', () => {
  expect(replay([passed, failed, passed, failed]).verdict).toBe('unknown')
  expect(replay([passed, passed]).verdict).toBe('pass')
  expect(replay([passed, passed, failed, failed, passed, failed, failed]).verdict).toBe('pass')
  expect(replay([passed, passed, failed, failed, failed]).verdict).toBe('fail')
  expect(replay([failed, timedOut, failed, passed, failed, passed]).verdict).toBe('fail')
  expect(replay([failed, timedOut, failed, passed, passed]).verdict).toBe('pass')
})

test('a verdict turns only after so many in a row, whatever came before', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (results) => {
      const states = results.map((_, at) =>
        replay(results.slice(0, at + 1).map((good) => (good ? passed : failed))),
      )
      states.forEach((state, at) => {
        const lastOf = (count: number, good: boolean): boolean =>
          at + 1 >= count && results.slice(at + 1 - count, at + 1).every((result) => result === good)
        const before = states[at - 1]?.verdict ?? 'unknown'
        expect(state.verdict).toBe(lastOf(2, true) ? 'pass' : lastOf(3, false) ? 'fail' : before)
        expect(state.hasPassed).toBe(states[at - 1]?.hasPassed === true || state.verdict === 'pass')
      })
    }),
  )
})

test('a pass is worth nothing once its answer is older than staleAfterMs; timeouts are no answers', () => {
  const state = replay([passed, passed, timedOut, timedOut])
  expect(state).toMatchObject({ verdict: 'pass', answeredAt: 10, endedAt: 30 })
  expect(statusAt(state, rules, 110)).toBe('pass')
  expect(statusAt(state, rules, 111)).toBe('unknown')
})

test('a failure stays one as long as runs end, and is unknown when they do not', () => {
  const state = replay([failed, failed, timedOut])
  expect(statusAt(state, rules, 120)).toBe('fail')
  expect(statusAt(state, rules, 121)).toBe('unknown')
})

test('a real failure is an answer and keeps a pass within its hysteresis fresh', () => {
  expect(statusAt(replay([passed, passed, failed]), rules, 120)).toBe('pass')
})

test('a pass that warns is a warning', () => {
  const warned: Outcome = { kind: 'passed', observation: { warn: true } }
  expect(statusAt(replay([passed, warned]), rules, 20)).toBe('warn')
  expect(statusAt(neverRun, rules, 0)).toBe('unknown')
})
