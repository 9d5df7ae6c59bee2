import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createSeededRandom } from '@holdfast/core/testing'
import { openQueue } from '@holdfast/queue'
import { expect, onTestFinished, test } from 'vitest'

const kills = process.env['HOLDFAST_DEEP'] ? 100 : 5
const seed = Number(process.env['HOLDFAST_SEED'] ?? Date.now() % 1_000_000)

function program(name: string): string {
  return fileURLToPath(new URL(`../../dist/children/${name}.js`, import.meta.url))
}

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-ships-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

function linesOf(file: string): readonly string[] {
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
}

/** A process group that does not outlive the test: should this process die, the end of their input tells them. */
function startGroup(command: string, args: readonly string[], stderr: 'inherit' | 'ignore' = 'inherit') {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', stderr], detached: true })
  const exited = once(child, 'exit')
  onTestFinished(async () => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      return // all of it has ended
    }
    await exited
  })
  return { lines: createInterface({ input: child.stdout! }), exited, pid: child.pid! }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

async function startCollector(file: string): Promise<string> {
  const { lines } = startGroup(process.execPath, [program('agent-collector'), file])
  const [url] = await once(lines, 'line')
  return url as string
}

/** What a supervisor does, in its shortest form: start it again whenever it ends, and write down how. */
const loop = 'while [ ! -e "$1/stop" ] && kill -0 "$5"; do "$2" "$3" "$1" "$4"; echo $? >> "$1/codes"; done'

test('an agent that is killed at random while it ships loses nothing that it accepted', async () => {
  const random = createSeededRandom(seed)
  const folder = temporaryFolder()
  const url = await startCollector(join(folder, 'received'))
  const args = [
    '-c',
    loop,
    'sh',
    folder,
    process.execPath,
    program('agent-shipper'),
    url,
    String(process.pid),
  ]
  const supervisor = startGroup('sh', args, 'ignore') // the shell tells of each kill
  /** The pid of the next life; its file may be empty for a blink. */
  const nextPid = async (before: string): Promise<string> => {
    let found = before
    await until(() => {
      found = existsSync(join(folder, 'pid')) ? readFileSync(join(folder, 'pid'), 'utf8') : ''
      return found !== '' && found !== before
    })
    return found
  }
  let pid = ''
  for (let kill = 0; kill < kills; kill += 1) {
    pid = await nextPid(pid)
    await sleep(random() * 400)
    process.kill(Number(pid), 'SIGKILL')
  }
  pid = await nextPid(pid)
  await until(() => linesOf(join(folder, 'accepted')).some((message) => message.startsWith(`${pid}-`)))
  writeFileSync(join(folder, 'stop'), '')
  process.kill(Number(pid), 'SIGTERM')
  await supervisor.exited

  const codes = linesOf(join(folder, 'codes'))
  expect([codes.length, new Set(codes.slice(0, -1))], `seed ${seed}`).toEqual([kills + 1, new Set(['137'])])
  expect(codes.at(-1)).toBe('0')
  const accepted = linesOf(join(folder, 'accepted'))
  const received = linesOf(join(folder, 'received')).map((line) => line.split(' ') as [string, string])
  const left = await backlogOf(folder)
  const arrived = new Set([...received.map(([, value]) => value), ...left])
  expect(accepted.length).toBeGreaterThan(kills)
  expect(received.length).toBeGreaterThan(0)
  expect(
    accepted.filter((message) => !arrived.has(message)),
    `seed ${seed}`,
  ).toEqual([])
  // Delivered again is under the same id: a collector that drops known ids has each once.
  const idOf = new Map(received.map(([id, value]) => [value, id]))
  expect(received.filter(([id, value]) => idOf.get(value) !== id)).toEqual([])
}, 600_000)

test.each(['refuses connections', 'takes them and never answers'])(
  'a stop while the collector %s ends by itself, and the backlog is intact',
  async (how) => {
    const folder = temporaryFolder()
    const url = await startSilence(how === 'refuses connections')
    const args = [program('agent-shipper'), folder, url, '300']
    const agent = startGroup(process.execPath, args, 'ignore') // it ends with the errors of its stop
    const lines: string[] = []
    agent.lines.on('line', (line) => {
      lines.push(line)
      if (line === 'all accepted') process.kill(agent.pid, 'SIGTERM')
    })
    const [code] = await agent.exited
    // A drain that cannot end is left behind in time; every close ends, and the budget cuts nothing off.
    expect([lines[0], lines.at(-1)]).toEqual(['all accepted', 'stopped'])
    expect(lines.filter((line) => line.startsWith('abandoned the close'))).toEqual([])
    expect([0, 74]).toContain(code)
    expect(linesOf(join(folder, 'accepted'))).toHaveLength(300)
    expect(await backlogOf(folder)).toEqual(linesOf(join(folder, 'accepted')))
  },
  60_000,
)

/** Everything that the queue still holds, in order. */
async function backlogOf(folder: string): Promise<readonly string[]> {
  await using queue = await openQueue<string>(join(folder, 'queue'))
  const { ready, inFlight, delayed } = queue.size
  const values: string[] = []
  while (values.length < ready + inFlight + delayed)
    for (const job of await queue.take({ max: 100 })) values.push(job.value)
  return values
}

/** The address of a server that is gone, or that is silent. */
async function startSilence(gone: boolean): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => undefined))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const close = (): void => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  if (gone) close()
  else onTestFinished(close)
  return `http://127.0.0.1:${port}/`
}
