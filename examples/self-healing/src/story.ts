import { exitCodeOf } from '@holdfast/agent'
import { memorySource, type Source } from '@holdfast/config'
import type { CoordinationStore } from '@holdfast/coordination'
import type { Clock, Random } from '@holdfast/core'
import { createSelfHealingAgent } from './agent.ts'
import { createBroker } from './broker.ts'

export interface StoryOptions {
  store: CoordinationStore
  clock: Clock
  random: Random
  say: (line: string) => void
}

/** Four troubles, each of which takes one rung more; says what happens as it happens. */
export async function tellStory({ store, clock, random, say }: StoryOptions): Promise<void> {
  const broker = createBroker(store, 'a.example')
  const settings = memorySource({ broker: 'a.example' })
  let turned: () => void = () => undefined
  let status = 'unknown'

  say('The agent starts.')
  const stop = new AbortController()
  const first = startAgent(1)
  await healthy()

  say('\nThe broker moves, and the watch on the config is deaf.')
  settings.set({ broker: 'b.example' })
  broker.moveTo('b.example')
  await troubleAndCure()

  say('\nThe broker is replaced by one that knows nobody.')
  await broker.forget()
  await troubleAndCure()

  say('\nThe line to the broker is stuck.')
  broker.jam()
  await troubleAndCure()

  say('\nThe host is ruined: nothing helps within this process.')
  broker.ruin()
  const error = await first
  say(
    `  run() rejects: the process would end with ${exitCodeOf(error)}, for systemd or Kubernetes to start anew`,
  )

  say('\nThe host is repaired, and the process starts again.')
  broker.repair()
  const second = startAgent(2)
  await healthy()
  stop.abort()
  await second
  say('  stopped, everything drained and closed')

  function startAgent(incarnation: number): Promise<unknown> {
    const agent = createSelfHealingAgent({
      ...{ store, broker, incarnation, clock, random, settings: deaf(settings) },
      onCheck(now, why) {
        say(now === 'fail' ? `  check fails: ${messageOf(why)}` : `  check: ${now}`)
        status = now
        turned()
      },
    })
    agent.on('healed', ({ rung, error: failed }) => say(`  ${rung}${failed === undefined ? '' : ' in vain'}`))
    agent.on('restartPlanned', ({ units }) => say(`  restarts ${units.join(', ')}`))
    agent.on('escalated', ({ error: why }) => say(`  gives up: ${(why as { code: string }).code}`))
    return agent.run({ signal: stop.signal }).then(
      () => undefined,
      (why: unknown) => why,
    )
  }

  /** A ladder begins anew after a while without trouble: that is waited for, too. */
  async function troubleAndCure(): Promise<void> {
    await until(() => status === 'fail')
    await healthy()
    await clock.sleep(2_200)
  }

  function healthy(): Promise<void> {
    return until(() => status === 'pass')
  }

  async function until(condition: () => boolean): Promise<void> {
    while (!condition())
      await new Promise<void>((resolve) => {
        turned = resolve
      })
  }
}

/** A source whose changes wake nobody. */
function deaf(source: Source): Source {
  const { name, optional } = source
  return { name, optional, start: (context) => source.start({ ...context, wake: () => undefined }) }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
