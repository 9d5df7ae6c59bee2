import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import { createSeededRandom } from '@holdfast/core/testing'
import { openQueue } from '@holdfast/queue'
import { startUplink } from '@holdfast/uplink'
import { expect, onTestFinished, test } from 'vitest'
import { root } from '../support/workspace.ts'

const child = join(root, 'test/dist/children/uplink-life.js')
const kills = process.env['HOLDFAST_DEEP'] ? 20 : 3

test(
  'kill -9 while shipping to a collector that fails: everything accepted arrives, once by its id',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-uplink-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const [path, log] = [join(folder, 'queue'), join(folder, 'accepted')]
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = createSeededRandom(seed)
    const { url, received, clashes } = await startCollector(random)
    for (let kill = 0; kill < kills; kill++) {
      const first = kill * 1_000_000
      const life = spawn(process.execPath, [child, path, log, url, String(first)], {
        stdio: ['ignore', 'ignore', 'inherit'],
      })
      while (!accepted(log).some(([value]) => value >= first)) {
        if (life.exitCode !== null) throw new Error(`the child ended by itself with ${life.exitCode}`)
        await sleep(5)
      }
      await sleep(random() * 200)
      life.kill('SIGKILL')
      await once(life, 'exit')
    }
    const queue = await openQueue<number>(path, { ballastBytes: 0 })
    onTestFinished(() => queue.close())
    const uplink = await startUplink({ queue, url, backoff: { minMs: 1, maxMs: 20 }, circuit: { openMs: 5 } })
    await queue.whenEmpty()
    await uplink.close()

    const promised = accepted(log)
    const missing = promised.filter(([value, id]) => received.get(id) !== value)
    expect(missing, `seed ${seed}`).toEqual([])
    expect(clashes, `seed ${seed}`).toEqual([])
    expect(new Set(received.values()).size, `seed ${seed}`).toBe(received.size)
    expect(promised.length).toBeGreaterThan(kills)
    expect(queue.size.dead).toBe(0)
  },
  kills > 3 ? 900_000 : 60_000,
)

/** Keeps what it accepts by its id; refuses, cuts, and keeps without saying so. */
async function startCollector(random: () => number) {
  const received = new Map<string, number>()
  const clashes: string[] = []
  const server = createServer(async (request, response) => {
    const zipped = request.headers['content-encoding'] === 'gzip'
    // A child that is killed in the middle of a request leaves a body that ends early.
    const body = await text(zipped ? request.pipe(createGunzip()) : request).catch(() => undefined)
    if (body === undefined) return void response.destroy()
    const fate = random()
    if (fate < 0.1) return void response.writeHead(503).end()
    if (fate < 0.2) return void response.destroy()
    for (const line of body.trim().split('\n')) {
      const { id, value } = JSON.parse(line) as { id: string; value: number }
      if (received.has(id) && received.get(id) !== value) clashes.push(id)
      received.set(id, value)
    }
    if (fate < 0.3) return void response.destroy()
    response.writeHead(204).end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, received, clashes }
}

function accepted(log: string): [value: number, id: string][] {
  if (!existsSync(log)) return []
  const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1)
  return lines.map((line) => line.split(' ')).map(([value, id]) => [Number(value), id!])
}
