import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { systemClock as clock } from '@holdfast/core'
import type { Report } from '@holdfast/recovery'
import { folderStore, openRepository } from '@holdfast/snapshot'
import { backUp } from './backup.ts'
import type { ServiceName } from './plan.ts'
import { endAll, pidsOf, processes } from './processes.ts'

const names: readonly ServiceName[] = ['critical-db', 'auth-service', 'web-frontend']
const key = 'before-the-disaster'

/**
 * Three services at work, a snapshot, a drill beside them, their wreck, and
 * their recovery, whose own process is killed in the middle. Returns the exit
 * code: 0 where all came back in time, with what the snapshot held.
 */
export async function tellStory(folder: string, say: (line: string) => void): Promise<number> {
  const paths = {
    state: join(folder, 'state'),
    scratch: join(folder, 'scratch'),
    backup: join(folder, 'backup'),
    drill: join(folder, 'drill.json'),
    report: join(folder, 'recovery.json'),
  }
  say('Three services are at work: critical-db, auth-service, web-frontend')
  const [database, , website] = await startAll(paths.state)
  const orders = Array.from({ length: 200 }, (_, at) => `order ${at}`)
  await Promise.all(orders.map((body) => fetch(`${database}/orders`, { method: 'POST', body })))
  await snapshot(paths.backup, paths.state, say)
  await fetch(`${database}/orders`, { method: 'POST', body: 'one after the snapshot' })

  say('\nA drill, in a scratch folder beside them:')
  const drilled = await recover('drill', [
    ...['--folder', paths.scratch, '--backup', paths.backup],
    ...['--journal', join(folder, 'drill.journal'), '--report', paths.drill],
  ])
  if (drilled === 1) return 1 // Too late for the RTO, 3, is for the report to tell.
  say(`Users noticed nothing: ${await textOf(website!)}`)

  say('\nDisaster: every process is killed, and the state is wrecked')
  await endAll(folder, 'SIGKILL')
  await wreck(paths.state)
  const recovery = [
    ...['--folder', paths.state, '--backup', paths.backup],
    ...['--journal', join(folder, 'recovery.journal'), '--declared-at', String(Date.now())],
    ...['--figures', paths.drill, '--report', paths.report],
  ]
  say('\nRecovery:')
  await recover('recovery', recovery, `.auth-service\0${paths.state}`)
  say('  the process that recovers is killed as well; it is run again, on the same journal:')
  const code = await recover('recovery', recovery)
  if (code === 1) return 1
  return (await isAllBack(folder, paths, say)) ? code : 1

  /** Runs the command line as an operator would; kills it once a service with this in its command line is there. */
  async function recover(mode: string, options: readonly string[], killAt?: string): Promise<number> {
    const program = fileURLToPath(new URL('./recover.js', import.meta.url))
    const child = spawn(process.execPath, [program, mode, ...options], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    if (killAt !== undefined) void killOnce(child, killAt)
    for await (const line of createInterface(child.stdout)) say(line)
    const [code] = await exited
    return (code as number | null) ?? 1
  }
}

/** So it dies between the start of that service and its record in the journal. */
async function killOnce(child: ChildProcess, started: string): Promise<void> {
  while (child.exitCode === null && (await pidsOf(started)).length === 0) await clock.sleep(5)
  child.kill('SIGKILL')
}

async function startAll(folder: string): Promise<string[]> {
  const urls: string[] = []
  for (const name of names) {
    const needs = name === 'critical-db' ? [] : urls.toReversed()
    urls.push(await processes.start({ name, key, folder }, needs, new AbortController().signal))
  }
  await Promise.all(urls.map((url) => processes.openTraffic(url)))
  return urls
}

async function snapshot(backup: string, state: string, say: (line: string) => void): Promise<void> {
  await using repository = await openRepository(folderStore(backup))
  const { files, bytes } = await backUp(repository, state, { orders: '200' })
  say(`Snapshot of critical-db: 200 orders, ${files} files, ${bytes} bytes`)
}

/** What a failing disk leaves: files full of rubbish. */
async function wreck(state: string): Promise<void> {
  for (const file of await readdir(state, { recursive: true, withFileTypes: true }))
    if (file.isFile()) await writeFile(join(file.parentPath, file.name), 'rubbish')
}

/** Looks at what came back as a user would, and counts the processes. */
async function isAllBack(
  folder: string,
  paths: { readonly state: string; readonly report: string },
  say: (line: string) => void,
): Promise<boolean> {
  const report = JSON.parse(await readFile(paths.report, 'utf8')) as Report
  const url = await processes.find({
    name: 'web-frontend',
    key: `${report.run}.web-frontend`,
    folder: paths.state,
  })
  const running = await pidsOf(folder)
  say(`Users see: ${url === undefined ? 'nothing' : await textOf(url)}`)
  say(`Processes: ${running.length}, each started once; the order after the snapshot is lost`)
  const orders = url === undefined ? 0 : ((await (await fetch(url)).json()) as { orders: number }).orders
  return running.length === names.length && orders === 200
}

async function textOf(url: string): Promise<string> {
  return (await fetch(url)).text()
}
