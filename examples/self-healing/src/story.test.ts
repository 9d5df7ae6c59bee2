import { createMemoryStore } from '@holdfast/coordination'
import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { tellStory } from './story.ts'

test('each trouble is cured by the first rung that can, and the last one ends the process', async () => {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const said: string[] = []
  let told = false
  const telling = tellStory({
    store,
    clock,
    random: createSeededRandom(1),
    say: (line) => said.push(line),
  }).finally(() => {
    told = true
  })
  for (let turns = 0; !told && turns < 5_000; turns += 1) await clock.advance(10)
  await telling
  expect(said.join('\n').split('\n\n')).toEqual([
    'The agent starts.\n  check: pass',
    chapter(
      'The broker moves, and the watch on the config is deaf.',
      'check fails: nobody is at a.example any more',
      'refresh config',
      'check: pass',
    ),
    chapter(
      'The broker is replaced by one that knows nobody.',
      'check fails: the broker asks who this is',
      'refresh config',
      'register again',
      'check: pass',
    ),
    chapter(
      'The line to the broker is stuck.',
      'check fails: No answer within 50 ms; it is run again in 50 ms',
      'refresh config',
      'register again',
      'restarts worker, check',
      'restart',
      'check: pass',
    ),
    chapter(
      'The host is ruined: nothing helps within this process.',
      'check fails: no buffer space left on this host',
      'refresh config',
      'register again',
      'restarts worker, check',
      'restart',
      'check fails: no buffer space left on this host',
      'gives up: AGENT_HEAL_ESCALATED',
      'escalate',
      'run() rejects: the process would end with 70, for systemd or Kubernetes to start anew',
    ),
    chapter(
      'The host is repaired, and the process starts again.',
      'check: pass',
      'stopped, everything drained and closed',
    ),
  ])
  await store.close()
  expect(clock.sleepers).toBe(0)
})

function chapter(title: string, ...lines: string[]): string {
  return [title, ...lines.map((line) => `  ${line}`)].join('\n')
}
