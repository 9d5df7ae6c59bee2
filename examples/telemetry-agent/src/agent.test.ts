import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memorySource } from '@holdfast/config'
import { createMemoryStore } from '@holdfast/coordination'
import { withFaults } from '@holdfast/coordination/testing'
import { openMemoryQueue } from '@holdfast/queue/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Adapters, createTelemetryAgent, type TelemetryAgent } from './agent.ts'
import { until } from './agent-host.ts'
import { audit } from './audit.ts'
import { type Collector, startCollector } from './collector.ts'

// The whole agent in this process, on adapters in memory; its log is a real file, the collector a real server.

let folder: string
let collector: Collector

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-example-'))
  collector = await startCollector()
})

afterEach(async () => {
  await collector.close()
  await rm(folder, { recursive: true, force: true })
})

test('ships the log and the host’s readings, follows its config, and stops with nothing lost', async () => {
  const files = { log: join(folder, 'log'), ledger: join(folder, 'ledger') }
  await writeFile(files.log, 'first line\nsecond line\nhalf a li')
  await writeFile(files.ledger, '')
  const settings = memorySource({ site: 'reef-1', sampleMs: 5 })
  const store = createMemoryStore()
  const agent = await createAgent(files, {
    store: async () => store.connect(),
    settings: () => settings,
  }).start()
  const bodies = (): unknown[] =>
    [...collector.received().records.values()]
      .filter(({ source }) => source === 'log')
      .map(({ body }) => body)

  await until(() => bodies().length === 2, 'two lines have arrived')
  expect(bodies()).toEqual(['first line', 'second line'])
  const { entries } = await store.range({ prefix: 'services/telemetry-agent/' })
  expect(entries).toHaveLength(1)

  settings.set({ site: 'reef-2', sampleMs: 5 })
  await until(
    () => collector.received().beats.some((beat) => beat.configReloads === 1),
    'the config is applied',
  )
  await appendFile(files.log, 'ne\n')
  await until(() => bodies().length === 3, 'the third line has arrived')
  const last = [...collector.received().records.values()].find(({ body }) => body === 'half a line')
  expect(last?.site).toBe('reef-2')

  await collector.cut()
  await appendFile(files.log, 'written while nobody answers\n')
  await collector.reconnect()
  settings.set({ site: 'reef-2', sampleMs: 5, paused: false })
  await until(async () => (await audit(files, collector.received())).lost === 0, 'everything has arrived')
  await agent.close()
  expect((await store.range({ prefix: 'services/telemetry-agent/' })).entries).toEqual([])
  expect(collector.received()).toMatchObject({ clashes: 0, duplicates: 0 })
  await store.close()
})

test('boots while the store is away: reads and ships all the same, and registers once it is there', async () => {
  const files = { log: join(folder, 'log'), ledger: join(folder, 'ledger') }
  await writeFile(files.log, 'written before\n')
  await writeFile(files.ledger, '')
  const settings = memorySource({ site: 'reef-1', sampleMs: 5 })
  const store = createMemoryStore()
  const faulty = withFaults(store.connect(), { deadlineMs: 100 })
  faulty.partition()
  const agent = createAgent(files, { store: async () => faulty, settings: () => settings })
  const starting = agent.start()
  await until(() => collector.received().records.size > 1, 'the line and a reading have arrived')
  expect(agent.status()).toMatchObject({ session: { state: 'starting' }, traffic: { state: 'down' } })

  faulty.heal()
  const running = await starting
  expect((await store.range({ prefix: 'services/telemetry-agent/' })).entries).toHaveLength(1)
  await running.close()
  await store.close()
})

function createAgent(
  { log, ledger }: { log: string; ledger: string },
  adapters: Pick<Adapters, 'store' | 'settings'>,
): TelemetryAgent {
  return createTelemetryAgent({
    instance: 'host-1',
    stateFolder: join(folder, 'state'),
    configFile: 'not read',
    logFile: log,
    ledger,
    collector: collector.url,
    healthPort: 0,
    adapters: { ...adapters, queue: () => openMemoryQueue() },
  })
}
