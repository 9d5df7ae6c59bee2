import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { guard } from '../support/guard.ts'
import { freePorts } from '../support/ports.ts'
import { root as repository } from '../support/workspace.ts'

/** The example whose files are tested. */
export const example: string = join(repository, 'examples/deploy')

export interface Ended {
  readonly code: number | null
  readonly log: string
}

/** A machine to deploy to, as far as a folder can be one: its absolute paths lie below `root`. */
export interface Site extends AsyncDisposable {
  readonly root: string
  /** Where the agent's probes answer, whatever port its environment names. */
  readonly port: number
  /** Every reading that arrived at the collector. */
  readonly received: readonly { readonly value: { readonly site: string } }[]
  /** Where a path of the deployment lies here. */
  place(path: string): string
  /** Starts a command as the deployment's files have it; only paths, port and the collector's host are this machine's; a collector at 127.0.0.1 is nobody. */
  start(command: readonly string[], environment: Record<string, string>, workingFolder?: string): ChildProcess
  /** How a started command ended, and all that it printed. */
  ended(child: ChildProcess): Promise<Ended>
  /** Resolves once a reading of this site has arrived. */
  untilReceived(site: string): Promise<void>
}

export async function createSite(application: string = example): Promise<Site> {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-deploy-'))
  const [port] = (await freePorts(1)) as [number]
  const received: { value: { site: string } }[] = []
  const collector = await startCollector((line) => received.push(JSON.parse(line)))
  const children = new Set<ChildProcess>()
  const logs = new WeakMap<ChildProcess, Promise<string>>()
  return { root, port, received, place, start, ended, untilReceived, [Symbol.asyncDispose]: dispose }

  function place(path: string): string {
    if (/^(\/usr\/bin\/)?node$/.test(path)) return process.execPath
    const inside = /^(?:\/opt\/edge-agent|\/app)(\/.*)?$/.exec(path)
    if (inside) return join(application, inside[1] ?? '')
    return path.startsWith('/') ? join(root, path) : path
  }

  function start(
    command: readonly string[],
    environment: Record<string, string>,
    workingFolder = '/',
  ): ChildProcess {
    const variables = Object.entries(environment).map(([name, value]) => [name, adapt(name, value)])
    mkdirSync(place('/'), { recursive: true })
    const [program, ...given] = command.map(place)
    const child = spawn(program!, given, {
      cwd: place(workingFolder),
      env: { PATH: process.env['PATH'], ...Object.fromEntries(variables) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    children.add(child)
    guard(child)
    logs.set(
      child,
      Promise.all([text(child.stdout!), text(child.stderr!)]).then((parts) => parts.join('')),
    )
    return child
  }

  function adapt(name: string, value: string): string {
    if (name === 'NOTIFY_SOCKET') return value
    if (name === 'HEALTH_PORT') return String(port)
    if (name === 'COLLECTOR_URL' && new URL(value).hostname !== '127.0.0.1')
      return `http://127.0.0.1:${addressOf(collector).port}${new URL(value).pathname}`
    return place(value)
  }

  async function ended(child: ChildProcess): Promise<Ended> {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    return { code: child.exitCode, log: (await logs.get(child)) ?? '' }
  }

  async function untilReceived(site: string): Promise<void> {
    while (!received.some(({ value }) => value.site === site)) await once(collector, 'taken')
  }

  async function dispose(): Promise<void> {
    for (const child of children) child.kill('SIGKILL')
    await Promise.all([...children].map(ended))
    collector.close()
    collector.closeAllConnections()
    rmSync(root, { recursive: true, force: true })
  }
}

async function startCollector(take: (line: string) => void): Promise<Server> {
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const bytes = Buffer.concat(parts)
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
    for (const line of body.toString().split('\n')) if (line !== '') take(line)
    response.writeHead(204).end()
    server.emit('taken')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function addressOf(server: Server): AddressInfo {
  return server.address() as AddressInfo
}
