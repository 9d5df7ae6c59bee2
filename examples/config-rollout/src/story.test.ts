import { createMemoryStore } from '@holdfast/coordination'
import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { tellStory } from './story.ts'

test('the fleet takes good configs, refuses a bad one, survives one that fails on probation, and converges', async () => {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const said: string[] = []
  let told = false
  const telling = tellStory({
    store,
    clock,
    agents: 4,
    probationMs: 400,
    say: (line) => said.push(line),
  }).then(() => {
    told = true
  })
  for (let turns = 0; !told && turns < 2_000; turns += 1) await clock.advance(50)
  await telling
  const [start, good, refused, active, rolledBack, converged] = said
  expect(said).toHaveLength(6)
  expect(start!.match(/first +applied/g)).toHaveLength(4)
  expect(good!.match(/second +applied/g)).toHaveLength(4)
  expect(refused).toContain('is refused')
  expect(refused!.match(/second +applied/g)).toHaveLength(4)
  expect(refused!.match(/8 workers, but room for 4/g)).toHaveLength(2)
  expect(active).toContain('is active everywhere')
  expect(rolledBack!.match(/second +rolled-back .*failed its probation/g)).toHaveLength(4)
  expect(converged!.match(/third +applied/g)).toHaveLength(4)
  expect(said.join()).not.toContain('a-long-token')
  await store.close()
  expect(clock.sleepers).toBe(0)
})
