import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { connectTo } from './connect.ts'
import { tellStory } from './story.ts'

test('one works at a time, and nothing of an older term is written', async () => {
  const clock = createFakeClock()
  const said: string[] = []
  const telling = tellStory({
    connect: connectTo(clock),
    clock,
    ttlMs: 2_000,
    say: (line) => said.push(line),
  })
  await clock.advance(20_000)
  const { ledger, leaders } = await telling
  expect(leaders).toEqual(['one', 'two', 'three'])
  const tokens = ledger.lines.map(({ token }) => token)
  expect(tokens).toEqual([...tokens].sort((left, right) => left - right))
  expect(new Set(tokens).size).toBe(3)
  expect(ledger.refused).toBe(1)
  const stops = said.filter((line) => / leads| has stopped/.test(line)).map((line) => line.split(',')[0])
  expect(stops).toEqual([
    ...['one leads', 'one has stopped', 'two leads', 'two has stopped', 'three leads', 'three has stopped'],
  ])
})
