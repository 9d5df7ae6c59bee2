import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { createAgent } from '@holdfast/agent'
import { fileSource, openConfig, type Source } from '@holdfast/config'
import { type CoordinationStore, createMemoryStore } from '@holdfast/coordination'
import {
  configCheck,
  leaseCheck,
  queueCheck,
  startHealth,
  startHealthServer,
  startHeartbeat,
  startTraffic,
} from '@holdfast/health'
import { openSession, register } from '@holdfast/lease'
import { openQueue, type Queue } from '@holdfast/queue'
import { startUplink } from '@holdfast/uplink'
import { startLogTail } from './log-tail.ts'
import type { Beat, TelemetryRecord } from './record.ts'
import { startSampler } from './sampler.ts'
import { settingsSchema } from './settings.ts'

export interface TelemetryAgentOptions {
  instance: string
  /** Everything that must survive this process is below it. */
  stateFolder: string
  configFile: string
  logFile: string
  /** The collector's address, without a slash at the end. */
  collector: string
  /** Where accepted readings are written down. */
  ledger: string
  /** For the probes; 0 takes any free port. */
  healthPort: number
  /** What it stands on; a test brings others. @default a store in memory, a queue on disk, settings from the file */
  adapters?: Partial<Adapters>
}

/** The outside world, as far as it can be exchanged. */
export interface Adapters {
  /** Where to register: with a store in memory, one machine needs no server. */
  store(): Promise<CoordinationStore>
  queue(folder: string): Promise<Queue<TelemetryRecord>>
  settings(file: string): Source
}

const onThisMachine: Adapters = {
  store: async () => createMemoryStore(),
  queue: (folder) => openQueue<TelemetryRecord>(folder),
  settings: (file) => fileSource(file),
}

/** A boot while the control plane is down: all else is at work meanwhile, and it is not ready. */
const patient = { startTimeoutMs: Number.POSITIVE_INFINITY }

/** The whole agent: what it is made of, what needs what, and nothing else. */
export function createTelemetryAgent(options: TelemetryAgentOptions) {
  const { instance, stateFolder, collector } = options
  const adapters = { ...onThisMachine, ...options.adapters }
  const run = randomUUID().slice(0, 8)
  return createAgent()
    .unit('health', [], () => startHealth({ traffic: 'held', drainDelayMs: 100 }))
    .unit('probes', ['health'], ({ health }) =>
      startHealthServer({ health, port: options.healthPort, title: `telemetry-agent ${instance}` }),
    )
    .unit('config', [], () =>
      openConfig({
        schema: settingsSchema,
        sources: [adapters.settings(options.configFile)],
        lastKnownGood: join(stateFolder, 'agent', 'config'),
      }),
    )
    .unit('queue', [], () => adapters.queue(join(stateFolder, 'queue')))
    .unit('store', [], () => adapters.store())
    .unit(
      'session',
      ['store'],
      ({ store }, signal) =>
        openSession(store, { ttlMs: 5_000, stateFolder: join(stateFolder, 'agent'), signal }),
      patient,
    )
    .unit(
      'registration',
      ['session', 'probes'],
      ({ session, probes }, signal) =>
        register(session, { service: 'telemetry-agent', id: instance }, { probes: probes.url }, { signal }),
      patient,
    )
    .unit('checks', ['health', 'probes', 'config', 'queue', 'session'], async (units) => {
      const { health, probes, config, queue, session } = units
      const removals = [
        health.add([
          configCheck({ name: 'config', config, gates: ['ready'] }),
          queueCheck({ name: 'queue', queue, gates: ['ready'] }),
          leaseCheck({ name: 'lease', lease: session, gates: ['ready'] }),
        ]),
        probes.addStats({
          queue: () => queue.stats(),
          config: () => config.stats?.() ?? {},
          lease: () => session.stats(),
        }),
      ]
      return { [Symbol.asyncDispose]: async () => removals.forEach((remove) => void remove()) }
    })
    .unit('host', ['queue', 'config'], ({ queue, config }) =>
      startSampler({
        process: run,
        ledger: options.ledger,
        intervalMs: () => (config.value.paused ? undefined : config.value.sampleMs),
        accept: (observation, body) =>
          queue.enqueue({ observation, source: 'host', at: Date.now(), site: config.value.site, body }),
      }),
    )
    .unit('log', ['queue', 'config'], ({ queue, config }) =>
      startLogTail({
        path: options.logFile,
        positionFile: join(stateFolder, 'agent', 'log-position.json'),
        paused: () => config.value.paused,
        accept: (body, key) =>
          queue.enqueue(
            { observation: `log:${key}`, source: 'log', at: Date.now(), site: config.value.site, body },
            { key },
          ),
      }),
    )
    .unit('uplink', ['queue'], ({ queue }) => startUplink({ queue, url: `${collector}/records` }), {
      stopTimeoutMs: 3_000,
    })
    .unit('heartbeat', ['registration', 'session', 'config', 'queue'], (units) =>
      startHeartbeat({
        intervalMs: 100,
        incarnation: units.registration.incarnation,
        send: (beat, signal) =>
          post(`${collector}/beats`, { ...beat, ...standing(instance, units) } satisfies Beat, signal),
      }),
    )
    .unit('traffic', ['health', 'checks', 'registration', 'host', 'log', 'uplink', 'heartbeat'], startTraffic)
}

export type TelemetryAgent = ReturnType<typeof createTelemetryAgent>

interface Standing {
  registration: { status: string }
  session: { isHeld(): boolean }
  config: { revision: number }
  queue: { size: { ready: number; inFlight: number; delayed: number } }
}

function standing(instance: string, { registration, session, config, queue }: Standing) {
  return {
    instance,
    registered: registration.status === 'registered' && session.isHeld(),
    configReloads: config.revision - 1,
    queued: queue.size.ready + queue.size.inFlight + queue.size.delayed,
  }
}

async function post(url: string, body: unknown, signal: AbortSignal): Promise<void> {
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body), signal })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
}
