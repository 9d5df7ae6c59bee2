import { expect, test } from 'vitest'
import { findBlockers, type Ordered } from './blockers.ts'

function blockersIn(checks: Record<string, Ordered>): (name: string) => readonly string[] {
  return findBlockers((name) => checks[name])
}

test('what fails at the root blocks everything above it, and nothing else is named', () => {
  const blockersOf = blockersIn({
    disk: { needs: [], passes: false },
    db: { needs: ['disk'], passes: false },
    cache: { needs: [], passes: true },
    api: { needs: ['db', 'cache'], passes: true },
  })
  expect(blockersOf('disk')).toEqual([])
  expect(blockersOf('db')).toEqual(['disk'])
  expect(blockersOf('api')).toEqual(['disk'])
})

test('a diamond names its root once, and a need that was removed is a root', () => {
  const blockersOf = blockersIn({
    left: { needs: ['gone'], passes: true },
    right: { needs: ['gone'], passes: true },
    top: { needs: ['left', 'right'], passes: true },
  })
  expect(blockersOf('top')).toEqual(['gone'])
})

test('a ladder of diamonds is walked once a step', () => {
  const checks: Record<string, Ordered> = {
    a0: { needs: [], passes: false },
    b0: { needs: [], passes: true },
  }
  for (let step = 1; step < 500; step += 1)
    for (const side of ['a', 'b'])
      checks[`${side}${step}`] = { needs: [`a${step - 1}`, `b${step - 1}`], passes: true }
  expect(blockersIn(checks)('a499')).toEqual(['a0'])
})
