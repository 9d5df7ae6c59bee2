import type { Clock } from '@holdfast/core'
import { createDiscovery } from '@holdfast/lease'
import { createClient } from './client.ts'
import type { Connect } from './connect.ts'
import { startInstance } from './instance.ts'

export interface StoryOptions {
  readonly connect: Connect
  readonly clock: Clock
  readonly ttlMs: number
  readonly say: (line: string) => void
}

export interface Outcome {
  readonly answered: number
  readonly retries: number
  /** Requests by instance. */
  readonly served: Readonly<Record<string, number>>
}

/** Three instances and a client; one instance is killed, one drained, and the client is always answered. */
export async function tellStory({ connect, clock, ttlMs, say }: StoryOptions): Promise<Outcome> {
  const start = async (id: string) =>
    startInstance({ store: await connect(), id, ttlMs, incarnation: 1, clock })
  const instances = await Promise.all(['red', 'green', 'blue'].map(start))
  const [red, green, blue] = instances as [
    (typeof instances)[0],
    (typeof instances)[0],
    (typeof instances)[0],
  ]

  const store = await connect()
  const discovery = createDiscovery(store, { clock })
  const client = createClient(discovery)
  let answered = 0
  await discovery.view('greeter').then((view) =>
    view.on('changed', ({ added, removed, changed }) => {
      for (const { id } of added) say(`  + ${id} appeared`)
      for (const { id, draining } of changed) if (draining) say(`  ~ ${id} is draining`)
      for (const { id } of removed) say(`  - ${id} is gone`)
    }),
  )

  await load('three instances share the work')
  say('red is killed; nobody has been told')
  await red.kill()
  await load('the client finds out, goes on with the others, and remembers')
  await clock.sleep(ttlMs * 1.5)
  await load('the lease of red has run out')
  say('green is drained')
  const drained = green.drain(ttlMs / 2)
  await clock.sleep(50)
  await load('new work goes to blue alone')
  await drained

  const outcome = {
    answered,
    retries: client.retries,
    served: Object.fromEntries(instances.map(({ id, served }) => [id, served])),
  }
  await discovery.close()
  await store.close()
  await blue.drain(0)
  return outcome

  /** A second of requests, twenty of them. */
  async function load(title: string): Promise<void> {
    say(title)
    const by: Record<string, number> = {}
    for (let request = 0; request < 20; request += 1) {
      const answer = await client.call()
      by[answer] = (by[answer] ?? 0) + 1
      answered += 1
      await clock.sleep(50)
    }
    for (const [answer, times] of Object.entries(by).sort()) say(`  ${answer}: ${times} times`)
  }
}
