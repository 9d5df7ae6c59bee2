import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exitCodes } from '@holdfast/agent'
import { openQueue } from '@holdfast/queue'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { root } from './support/workspace.ts'

// The example's agent, as its own process, is given what cannot work: it must say which of it, by a
// code, leave with the code for a start that failed, and take nothing from the disk.

const program = join(root, 'examples/telemetry-agent/dist/agent-process.js')
let folder: string
let options: Record<string, unknown>

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-bad-input-'))
  const at = (name: string): string => join(folder, name)
  await writeFile(at('agent.json'), '{ "site": "reef-1", "sampleMs": 1000 }')
  options = {
    instance: 'host-1',
    stateFolder: at('state'),
    configFile: at('agent.json'),
    logFile: at('log'),
    ledger: at('ledger'),
    collector: 'http://127.0.0.1:1',
    healthPort: 0,
  }
  await using queue = await openQueue(at('state/queue'))
  await queue.enqueueMany(Array.from({ length: 300 }, (_, number) => ({ observation: `kept:${number}` })))
})

afterEach(() => rm(folder, { recursive: true, force: true }))

test('a config file that is not there', () =>
  expectRefusal({ configFile: join(folder, 'nope.json') }, 'CONFIG_MISSING', 'nope.json'))

test('a config file that is damaged', async () => {
  await writeFile(join(folder, 'agent.json'), '{ "site": ')
  await expectRefusal({}, 'CONFIG_UNREADABLE', 'agent.json')
})

test('a config that is wrong', async () => {
  await writeFile(join(folder, 'agent.json'), '{ "site": "reef-1", "sampleMs": "often" }')
  await expectRefusal({}, 'CONFIG_INVALID', 'sampleMs')
})

test('a state folder that cannot be one', async () => {
  await writeFile(join(folder, 'a-file'), '')
  await expectRefusal({ stateFolder: join(folder, 'a-file') }, 'QUEUE_UNREADABLE', 'a-file')
})

test('a file of the state that is damaged', async () => {
  await mkdir(join(folder, 'state/agent'), { recursive: true })
  await writeFile(join(folder, 'state/agent/incarnation'), 'seven')
  await expectRefusal({}, 'INCARNATION_DAMAGED', 'incarnation')
})

test('a port that is in use', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await expectRefusal({ healthPort: port }, 'HEALTH_PORT_IN_USE', String(port))
  server.close()
})

test('an etcd that is not there, and one that never answers', async () => {
  const silent = createTcpServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  for (const endpoint of ['http://127.0.0.1:1', `http://127.0.0.1:${port}`])
    await expectRefusal({ etcd: [endpoint] }, 'STORE_UNAVAILABLE', endpoint)
  silent.close()
})

async function expectRefusal(bad: object, code: string, named: string): Promise<void> {
  const said = await new Promise<{ status: unknown; text: string }>((resolve) => {
    const argument = JSON.stringify({ ...options, ...bad })
    execFile(process.execPath, [program, argument], { timeout: 25_000 }, (error, stdout, stderr) =>
      resolve({ status: error?.code, text: stdout + stderr }),
    )
  })
  expect(said.text).toContain(code)
  expect(said.text).toContain(named)
  expect(said.status).toBe(exitCodes.startFailed)
  await using queue = await openQueue(join(folder, 'state/queue'), { createIfMissing: false })
  expect(queue.size.ready).toBeGreaterThanOrEqual(300)
}
