import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { directory, folderStore, levelDb, openRepository } from '@holdfast/snapshot'
import { createAgentHost, type Ended, until } from './agent-host.ts'
import { startApplication } from './application.ts'
import { audit, bytesBelow, digests } from './audit.ts'
import { type Collector, startCollector } from './collector.ts'
import type { Beat } from './record.ts'
import type { RegistrationObserver } from './registration-observer.ts'
import type { Settings } from './settings.ts'
import type { Narrator } from './terminal.ts'

export interface StoryOptions {
  /** An empty folder for everything that the run writes. */
  folder: string
  narrator: Narrator
  /** A coordination store of its own, and what it says about the agent. @default the agent's store in memory, and its heartbeats */
  etcd?: { endpoints: readonly string[]; observer: RegistrationObserver }
}

/** What a run came to. Every figure was counted at the collector, on the disk, or at the process's end. */
export interface Outcome {
  produced: number
  received: number
  lost: number
  duplicates: number
  configReloads: number
  crashes: number
  restoredBytes: number
  verified: boolean
  registeredAgain: boolean
  redelivered: number
  idsIssuedTwice: number
  configsRefused: number
  cleanStops: number
}

const instance = 'reef-host-1'

/** The main job of an agent from end to end, with everything going wrong that does. */
export async function tellStory({ folder, narrator, etcd }: StoryOptions): Promise<Outcome> {
  const files = {
    state: join(folder, 'state'),
    repository: join(folder, 'repository'),
    config: join(folder, 'agent.json'),
    log: join(folder, 'application.log'),
    ledger: join(folder, 'accepted.log'),
    output: join(folder, 'agent-output.log'),
  }
  let settings: Settings = { site: 'reef-1', sampleMs: 20, paused: false }
  const counts = { crashes: 0, cleanStops: 0, configsRefused: 0, restoredBytes: 0, verified: false }
  await mkdir(files.state)
  await writeFile(files.ledger, '')
  await configure({})
  await using collector = await startCollector()
  const application = startApplication(files.log)
  const agent = await createAgentHost({
    instance,
    stateFolder: files.state,
    configFile: files.config,
    logFile: files.log,
    ledger: files.ledger,
    collector: collector.url,
    output: files.output,
    ...(etcd ? { etcd: etcd.endpoints } : {}),
  })
  const live = showLive(narrator, collector)
  try {
    await start()
    await ship()
    await cutOff()
    await crash()
    await restart()
    await changeConfig()
    await drainBacklog()
    await snapshot()
    await destroyAndRestore()
    await startRestored()
    await finish()
  } finally {
    clearInterval(live)
    await application.close()
    await agent.kill()
  }
  return account()

  async function start(): Promise<void> {
    const done = narrator.step('start')
    const { pid } = await agent.start()
    await until(() => registered(1), 'the agent is registered')
    done(`process ${pid} is ready and registered, ${agent.probes}/readyz`)
  }

  async function ship(): Promise<void> {
    const done = narrator.step('ship')
    await until(() => collector.received().records.size >= 500, 'the collector has 500 records')
    done(`${collector.received().records.size} records at the collector`)
  }

  async function cutOff(): Promise<void> {
    const done = narrator.step('cut the collector off')
    await collector.cut()
    done(`backlog of ${await backlog(600)} on disk, and growing`)
  }

  async function crash(): Promise<void> {
    const done = narrator.step('kill -9 in the middle')
    const { signal } = await agent.kill()
    if (signal === 'SIGKILL') counts.crashes += 1
    const before = application.lines
    await until(() => application.lines > before + 100, 'the log went on')
    done(`ended by ${signal}; meanwhile the log grew by ${application.lines - before} lines`)
  }

  async function restart(): Promise<void> {
    const done = narrator.step('restart')
    const { pid } = await agent.start()
    done(`process ${pid} found ${await backlog(600)} records in its queue`)
  }

  async function changeConfig(): Promise<void> {
    const done = narrator.step('change the config while it runs')
    await writeFile(files.config, '{ "site": "", "sampleMs": "often" }')
    await until(
      async () => ((await agent.figure('config_rejected_total')) ?? 0) > 0,
      'the bad config is refused',
    )
    counts.configsRefused = (await agent.figure('config_rejected_total')) ?? 0
    narrator.note('a bad config was refused, the running one stayed')
    await configure({ site: 'reef-2', sampleMs: 10 })
    await collector.reconnect()
    await until(() => holdsSite(collector, 'reef-2'), 'records carry the new site')
    done('records from the site reef-2 arrive')
  }

  async function drainBacklog(): Promise<void> {
    const done = narrator.step('drain the backlog')
    await until(
      async () => ((await agent.figure('queue_ready_messages')) ?? Infinity) < 100,
      'the backlog is gone',
    )
    await until(() => registered(2), 'it is registered again')
    done(`${collector.received().records.size} records at the collector, registered again`)
  }

  async function snapshot(): Promise<void> {
    const done = narrator.step('snapshot the live queue and state')
    await collector.cut()
    await backlog(300)
    await quiesce()
    const repository = await openRepository(folderStore(files.repository))
    const queue = await repository.backup(levelDb(join(files.state, 'queue')), { name: `${instance}/queue` })
    const rest = await repository.backup(directory(join(files.state, 'agent')), { name: `${instance}/agent` })
    done(
      `${queue.bytes + rest.bytes} bytes in ${queue.files + rest.files} files, while the agent had them open`,
    )
    // What is shipped from here on is in the snapshot too, and will be delivered twice.
    await collector.reconnect()
    await until(async () => (await agent.figure('queue_ready_messages')) === 0, 'the queue is empty')
  }

  async function destroyAndRestore(): Promise<void> {
    const done = narrator.step('stop, destroy, restore, verify')
    await stop()
    const before = await digests(join(files.state, 'agent'))
    await rm(files.state, { recursive: true })
    const repository = await openRepository(folderStore(files.repository))
    let promised = 0
    for (const part of ['queue', 'agent']) {
      const [latest] = (await repository.list({ name: `${instance}/${part}` })).reverse()
      if (!latest) throw new Error(`the repository holds no snapshot of ${part}`)
      await repository.verify(latest, { level: 'data' })
      await repository.restore(latest, join(files.state, part))
      promised += latest.bytes
    }
    counts.restoredBytes = await bytesBelow(files.state)
    const same = isDeepStrictEqual(await digests(join(files.state, 'agent')), before)
    counts.verified = same && counts.restoredBytes === promised
    done(`${counts.restoredBytes} bytes, every chunk checked by SHA-256`)
  }

  async function startRestored(): Promise<void> {
    const done = narrator.step('start again and ship on')
    const before = {
      records: collector.received().records.size,
      redelivered: collector.received().redelivered,
    }
    await configure({ paused: false })
    await agent.start()
    await until(
      () => collector.received().redelivered > before.redelivered,
      'the restored queue is delivered',
    )
    await until(() => collector.received().records.size > before.records + 300, 'new records arrive')
    const { records, redelivered, clashes } = collector.received()
    done(
      `${records.size - before.records} new records; ${redelivered} known ids dropped, ${clashes} issued twice`,
    )
  }

  async function finish(): Promise<void> {
    const done = narrator.step('stop cleanly')
    await application.close()
    await until(async () => (await audit(files, collector.received())).lost === 0, 'everything has arrived')
    await quiesce()
    await until(async () => (await agent.figure('queue_ready_messages')) === 0, 'the queue is empty')
    done(`exit code ${(await stop()).code}`)
  }

  /** Writes the config as an operator's tool would: whole, or not at all. */
  async function configure(change: Partial<Settings>): Promise<void> {
    settings = { ...settings, ...change }
    await writeFile(`${files.config}.new`, JSON.stringify(settings, undefined, 2))
    await rename(`${files.config}.new`, files.config)
  }

  /** Waits until so much is queued; resolves to how much it is. */
  async function backlog(least: number): Promise<number> {
    let queued = 0
    await until(async () => {
      queued = (await agent.figure('queue_ready_messages')) ?? 0
      return queued >= least
    }, `${least} records are queued`)
    return queued
  }

  /** Stops the producers by config, and waits until nothing is accepted any more. */
  async function quiesce(): Promise<void> {
    const before = (await agent.figure('config_applied_total')) ?? 0
    await configure({ paused: true })
    await until(
      async () => ((await agent.figure('config_applied_total')) ?? 0) > before,
      'the producers pause',
    )
    let enqueued: number | undefined
    await until(async () => {
      const was = enqueued
      enqueued = await agent.figure('queue_enqueued_total')
      await new Promise((resolve) => setTimeout(resolve, 150))
      return enqueued === was
    }, 'nothing more is accepted')
  }

  async function stop(): Promise<Ended> {
    const ended = await agent.stop()
    if (ended.code === 0) counts.cleanStops += 1
    return ended
  }

  /** Whether the life of the agent that began as number `incarnation`, or a later one, is registered. */
  function registered(incarnation: number): boolean {
    const said = collector.received().beats.some((beat) => beat.registered && beat.incarnation >= incarnation)
    return said && (etcd === undefined || etcd.observer.seen(instance, incarnation))
  }

  async function account(): Promise<Outcome> {
    const received = collector.received()
    return {
      ...(await audit(files, received)),
      duplicates: received.duplicates,
      configReloads: reloads(received.beats),
      ...counts,
      registeredAgain: registered(2),
      redelivered: received.redelivered,
      idsIssuedTwice: received.clashes,
    }
  }
}

/** The reloads of all lives of the agent, each as its last heartbeat told them. */
function reloads(beats: readonly Beat[]): number {
  const last = new Map(beats.map(({ incarnation, configReloads }) => [incarnation, configReloads]))
  return [...last.values()].reduce((sum, count) => sum + count, 0)
}

function holdsSite(collector: Collector, site: string): boolean {
  return [...collector.received().records.values()].some((record) => record.site === site)
}

function showLive(narrator: Narrator, collector: Collector): NodeJS.Timeout {
  return setInterval(() => {
    const { records, redelivered, beats } = collector.received()
    narrator.live(
      `collector: ${records.size} records, ${redelivered} known ids dropped · agent, last heard: ${beats.at(-1)?.queued ?? 0} queued`,
    )
  }, 100)
}
