import { type Document, hashOf } from '@holdfast/config'
import type { CoordinationStore } from '@holdfast/coordination'
import type { Clock } from '@holdfast/core'
import { startAgent } from './agent.ts'
import { startController } from './controller.ts'
import { tableOf } from './table.ts'

const token = 'a-long-token'

export const configs = {
  first: { upstream: { url: 'https://one.example', token } },
  second: { upstream: { url: 'https://two.example', token }, workers: 3 },
  greedy: { upstream: { url: 'https://two.example', token }, workers: 8 },
  broken: { upstream: { url: 'https://broken.example', token }, workers: 3 },
  third: { upstream: { url: 'https://three.example', token }, workers: 4 },
} satisfies Record<string, Document>

const nameOf = new Map(Object.entries(configs).map(([name, document]) => [hashOf(document), name]))

export interface StoryOptions {
  store: CoordinationStore
  clock: Clock
  agents: number
  probationMs: number
  say: (line: string) => void
}

/** Four rollouts over a fleet; says what happens, and resolves when all is closed. */
export async function tellStory({ store, clock, agents, probationMs, say }: StoryOptions): Promise<void> {
  const controller = await startController(store, { agents, clock })
  await controller.publish(configs.first)
  // Every third host is small: it has room for four workers, the others for ten.
  const fleet = await Promise.all(
    Array.from({ length: agents }, (_, index) =>
      startAgent({ store, clock, probationMs, name: `edge-${index + 1}`, room: index % 3 === 0 ? 4 : 10 }),
    ),
  )
  await runs('first')
  await show('The fleet starts on its first config.')

  await controller.rollOut(configs.second)
  await runs('second')
  await clock.sleep(probationMs * 2)
  await show('A good config: tried by all, then run by all, and proven.')

  const verdict = await controller.rollOut(configs.greedy)
  await show(`A config that small hosts cannot use is ${verdict}; nobody runs it.`)

  await controller.rollOut(configs.broken)
  await runs('broken')
  say('\nA config that fails only once it runs is active everywhere …')
  await controller.until((report) => report.attempt.state === 'rolled-back')
  await show('… and every agent has gone back by itself.')

  await controller.rollOut(configs.third)
  await runs('third')
  await show('The next good config ends the trouble: the fleet has converged.')

  await Promise.all(fleet.map((agent) => agent.close()))
  await controller.close()

  async function runs(name: keyof typeof configs): Promise<void> {
    await controller.until((report) => nameOf.get(report.running) === name)
  }

  async function show(title: string): Promise<void> {
    say(`\n${title}\n\n${tableOf(controller.reports(), nameOf)}`)
  }
}
