import { type Config, memorySource, openConfig, rolloutSource, type StagedStatus } from '@holdfast/config'
import type { CoordinationStore } from '@holdfast/coordination'
import type { Clock } from '@holdfast/core'
import { z } from 'zod'

export const schema = z.strictObject({
  name: z.string(),
  upstream: z.strictObject({ url: z.url(), token: z.string().min(8) }),
  workers: z.int().min(1).default(2),
})

export type AgentConfig = z.infer<typeof schema>

/** Where the fleet's config and the agents' reports stand in the store. */
export const places = { config: '/config/fleet', reports: '/reports/' } as const
export const fleetLayer = `store ${places.config}/active`

/** What an agent tells about itself; the controller needs no more. */
export interface Report {
  name: string
  /** Hash of the fleet's layer that runs. */
  running: string
  attempt: { state: string; why?: string }
  /** The fleet's layer that waits to be made active. */
  staged?: { layer: string; state: string; why?: string } | undefined
}

export interface AgentOptions {
  store: CoordinationStore
  name: string
  /** How many workers this host has room for. */
  room: number
  clock: Clock
  probationMs: number
}

/** A client that fails against an upstream that is only a name, which no schema can know. */
interface Client {
  readonly target: string
  ping(): Promise<boolean>
  close(): Promise<void>
}

/** One agent: a config, what is made from it, and a report whenever something happens to it. */
export async function startAgent({ store, name, room, clock, probationMs }: AgentOptions) {
  let client: { readonly current: Client } | undefined
  const config: Config<AgentConfig> = await openConfig({
    schema,
    sources: [memorySource({ name }, { name: 'host' }), rolloutSource(store, places.config)],
    secrets: ['upstream.token'],
    probation: { forMs: probationMs, failAfter: 2, healthy: async () => client?.current.ping() ?? true },
    settleMs: [5, 50],
    splayMs: 20,
    clock,
  })
  client = await config.derive({
    name: 'client',
    select: (value) => value.upstream,
    open: async (upstream) => connect(upstream.url),
  })
  await config.derive({
    name: 'workers',
    select: (value) => value.workers,
    open: async (workers) => {
      if (workers > room) throw new Error(`${workers} workers, but room for ${room}`)
      return workers
    },
  })
  let reported = Promise.resolve()
  const reporting = (): Promise<void> => {
    reported = reported.then(() => report(store, name, config)) // one after the other, so that the last one stays
    return reported
  }
  for (const event of ['applied', 'rejected', 'rolledBack', 'proven', 'staged'] as const)
    config.on(event, reporting)
  await reporting()
  return config
}

function connect(url: string): Client {
  return { target: url, ping: async () => !url.includes('broken'), close: async () => undefined }
}

async function report(store: CoordinationStore, name: string, config: Config<AgentConfig>): Promise<void> {
  const { running, attempt, staged } = config.status()
  const runs = hashIn(running.layers)
  const waiting = staged && hashIn(staged.layers) !== runs ? staged : undefined
  const about: Report = {
    name,
    running: runs,
    attempt: { state: attempt.state, ...why(attempt.error) },
    ...(waiting ? { staged: stagedReport(waiting) } : {}),
  }
  const value = new TextEncoder().encode(JSON.stringify(about))
  await store.transact({ then: [{ kind: 'put', key: `${places.reports}${name}`, value }] })
}

function stagedReport({ layers, state, error }: StagedStatus): Report['staged'] {
  return { layer: hashIn(layers), state, ...why(error) }
}

function hashIn(layers: readonly { source: string; hash: string }[]): string {
  return layers.find((layer) => layer.source === fleetLayer)?.hash ?? ''
}

function why(error: Error | undefined): { why?: string } {
  return error ? { why: error.message } : {}
}
