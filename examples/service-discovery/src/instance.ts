import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { CoordinationStore } from '@holdfast/coordination'
import type { Clock } from '@holdfast/core'
import { openSession, register } from '@holdfast/lease'

/** What an instance tells of itself to those who look for it. */
export interface GreeterMetadata {
  readonly url: string
  /** Requests served so far, told now and then: a load to balance by. */
  readonly load: number
}

export interface Instance {
  readonly id: string
  readonly served: number
  /** Tells everyone to stop coming, serves on while they still do, and goes. */
  drain(graceMs: number): Promise<void>
  /** Ends as a kill -9 or a power cut would: without a word to anyone. */
  kill(): Promise<void>
}

export interface InstanceOptions {
  readonly store: CoordinationStore
  readonly id: string
  readonly ttlMs: number
  /** One more at each start: `nextIncarnation(folder)` of @holdfast/lease counts them. */
  readonly incarnation: number
  readonly clock: Clock
}

/** An HTTP server that greets, and that can be found under the service `greeter` for as long as it lives. */
export async function startInstance({
  store,
  id,
  ttlMs,
  incarnation,
  clock,
}: InstanceOptions): Promise<Instance> {
  let served = 0
  const server = createServer((_, response) => {
    served += 1
    response.end(`hello from ${id}`)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo

  // Register when ready to serve, not before.
  const session = await openSession(store, { ttlMs, clock })
  const metadata: GreeterMetadata = { url: `http://127.0.0.1:${port}`, load: 0 }
  const registration = await register(session, { service: 'greeter', id, incarnation }, metadata)
  registration.on('superseded', () => void kill())

  const reporting = new AbortController()
  const reported = reportLoad()

  return {
    id,
    get served() {
      return served
    },
    drain,
    kill,
  }

  async function reportLoad(): Promise<void> {
    while (!reporting.signal.aborted) {
      await clock.sleep(500, reporting.signal)
      if (!reporting.signal.aborted && registration.metadata.load !== served)
        await registration.update((now) => ({ ...now, load: served }))
    }
  }

  async function drain(graceMs: number): Promise<void> {
    reporting.abort()
    await reported
    await registration.withdraw({ graceMs })
    await session.close()
    await store.close()
    await stopServer()
  }

  async function kill(): Promise<void> {
    reporting.abort()
    await stopServer()
    // A store that is closed under its session: nothing is revoked, and the lease runs out.
    await store.close()
    await session.close()
  }

  async function stopServer(): Promise<void> {
    server.closeAllConnections()
    if (server.listening) await once(server.close(), 'close')
  }
}
