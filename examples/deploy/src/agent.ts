import { join } from 'node:path'
import { createAgent } from '@holdfast/agent'
import { fileSource, openConfig, type Source } from '@holdfast/config'
import {
  configCheck,
  diskSpaceCheck,
  memoryCheck,
  queueCheck,
  type SystemdEnvironment,
  startHealth,
  startHealthServer,
  startSystemdNotify,
  startTraffic,
} from '@holdfast/health'
import { openQueue, type Queue } from '@holdfast/queue'
import { folderStore, levelDb, openRepository, startSchedule } from '@holdfast/snapshot'
import { startUplink } from '@holdfast/uplink'
import { parse } from 'yaml'
import type { Environment } from './environment.ts'
import { stopBudgetMs } from './limits.ts'
import { type Reading, startReadings } from './readings.ts'
import { settingsSchema } from './settings.ts'

export interface AgentOptions {
  readonly environment: Environment
  /** Where systemd leaves its wishes; `process.env`. */
  readonly systemd: SystemdEnvironment
  /** The outside world, as far as a test brings another. @default a queue on disk, settings from the file */
  readonly adapters?: {
    readonly queue?: (folder: string) => Promise<Queue<Reading>>
    readonly settings?: Source
  }
}

/** The agent out of its parts: reads its host, keeps the readings on disk, ships them, backs itself up. */
export function createEdgeAgent({ environment, systemd, adapters = {} }: AgentOptions) {
  const { AGENT_NAME: name, STATE_DIR: state, HEALTH_HOST: host, HEALTH_PORT: port } = environment
  const queueFolder = join(state, 'queue')
  const {
    queue: open = (folder: string) => openQueue<Reading>(folder),
    settings = fileSource(environment.SETTINGS_FILE, { parse }),
  } = adapters
  return (
    createAgent({ stopBudgetMs })
      // First up and last to go: probes are answered, and systemd is told, from the beginning to the end.
      .unit('health', [], () => startHealth({ traffic: 'held', drainDelayMs: environment.DRAIN_DELAY_MS }))
      .unit('probes', ['health'], ({ health }) => startHealthServer({ health, host, port, title: name }))
      .unit('systemd', ['health'], ({ health }) => startSystemdNotify({ health, environment: systemd }))
      .unit('config', ['probes', 'systemd'], () =>
        openConfig({
          schema: settingsSchema,
          sources: [settings],
          lastKnownGood: join(state, 'config'),
        }),
      )
      .unit('queue', ['probes', 'systemd'], () => open(queueFolder))
      .unit('repository', ['probes', 'systemd'], () => openRepository(folderStore(environment.BACKUP_DIR)))
      .unit('uplink', ['queue'], ({ queue }) => startUplink({ queue, url: environment.COLLECTOR_URL }))
      .unit('readings', ['config', 'queue'], ({ config, queue }) =>
        startReadings({ settings: () => config.value, accept: (reading) => queue.enqueue(reading) }),
      )
      .unit('backups', ['queue', 'repository'], ({ repository }) =>
        startSchedule({
          cron: environment.BACKUP_CRON,
          run: async (signal) => {
            await repository.backup(levelDb(queueFolder), { name: `${name}/queue`, signal })
            await repository.forget({ keep: { last: 4, hourly: 24, daily: 7 }, signal })
            await repository.collect({ signal })
          },
        }),
      )
      .unit(
        'view',
        ['health', 'probes', 'config', 'queue', 'uplink', 'repository'],
        ({ health, probes, config, queue, uplink, repository }) => {
          const removals = [
            health.add([
              configCheck({ name: 'config', config }),
              queueCheck({
                name: 'queue',
                queue,
                max: { queue_bytes: 1e9 },
                warnAbove: { queue_bytes: 1e8 },
              }),
              diskSpaceCheck({ name: 'disk', path: state, minFreeBytes: 1e8 }),
              memoryCheck({ name: 'memory', gates: ['live'] }),
            ]),
            probes.addStats({
              queue: () => queue.stats(),
              uplink: () => uplink.stats?.() ?? {},
              config: () => config.stats?.() ?? {},
              snapshot: () => repository.stats?.() ?? {},
            }),
          ]
          return { [Symbol.asyncDispose]: async () => removals.forEach((remove) => void remove()) }
        },
      )
      .unit('traffic', ['health', 'view', 'uplink', 'readings', 'backups'], startTraffic)
  )
}
