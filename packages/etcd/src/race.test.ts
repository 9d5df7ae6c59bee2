import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { raceInTurn } from './race.ts'

test('what was got after another won, or after the abort, is given back', async () => {
  const clock = createFakeClock()
  const discarded: string[] = []
  const abort = new AbortController()
  const options = {
    staggerMs: 10,
    clock,
    signal: abort.signal,
    discard: (late: string) => discarded.push(late),
  }
  // They do not heed their signal.
  const start = async (name: string): Promise<string> => {
    await clock.sleep(name === 'slow' ? 50 : 5)
    return name
  }
  const first = raceInTurn(['slow', 'quick'], start, options)
  await clock.advance(100)
  expect([await first, discarded]).toEqual(['quick', ['slow']])

  const second = raceInTurn(['slow'], start, options).catch((error) => error)
  await clock.advance(20)
  abort.abort('enough')
  await clock.advance(100)
  expect([await second, discarded]).toEqual(['enough', ['slow', 'slow']])
})
