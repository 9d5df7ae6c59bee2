import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileBody, startUpload } from '@holdfast/uplink'
import { expect, onTestFinished, test } from 'vitest'
import { startFaultProxy } from '../support/proxy.ts'
import { startTusServer } from '../support/tus.ts'
import { root } from '../support/workspace.ts'

// Uploads to the protocol's reference implementation: what arrives is the file, and hardly a byte comes twice.

const size = 3_000_000
/** What may be on its way when a connection is cut: unacknowledged, so it is sent again. */
const onItsWay = 700_000
const backoff = { minMs: 1, maxMs: 20 }

function setUp() {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-tus-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'dump')
  writeFileSync(path, randomBytes(size))
  const kept = join(folder, 'received')
  return { path, kept, checkpointFile: join(folder, 'checkpoint') }
}

/** Every upload on the server's disk, by its digest. */
function uploadsIn(kept: string): string[] {
  const names = readdirSync(kept).filter((name) => !name.endsWith('.json'))
  return names.map((name) => digest(join(kept, name)))
}

function digest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex')
}

/** Calls each step once the server has received so many bytes. */
function atBytes(steps: Record<number, () => void>): (received: number) => void {
  const left = new Map(Object.entries(steps).map(([bytes, step]) => [Number(bytes), step]))
  return (received) => {
    for (const [bytes, step] of left) if (received >= bytes && left.delete(bytes)) setImmediate(step)
  }
}

test('cut connections and a restarted server cost what was on its way, no more', async () => {
  const { path, kept } = setUp()
  await using server = await startTusServer(
    kept,
    atBytes({
      600000: () => proxy.cut(),
      1400000: () => void server.restart(),
      2200000: () => proxy.cut(),
    }),
  )
  await using proxy = await startFaultProxy(new URL(server.url).origin)
  const resumed: number[] = []
  await using upload = await startUpload({
    ...{ url: `${proxy.endpoint}/files`, body: await fileBody(path), backoff },
    ...{ chunkBytes: 1_000_000, rate: { max: 500_000, perMs: 100 } },
  })
  upload.on('resumed', ({ offset }) => resumed.push(offset))
  await upload.exited
  expect(uploadsIn(kept)).toEqual([digest(path)])
  expect(resumed.length).toBeGreaterThanOrEqual(3)
  expect(server.received - size).toBeLessThan(resumed.length * onItsWay)
})

test('a process that is killed -9 in the middle leaves a checkpoint that the next one goes on from', async () => {
  const { path, kept, checkpointFile } = setUp()
  let half: (() => void) | undefined
  await using server = await startTusServer(kept, atBytes({ [size / 2]: () => half?.() }))
  const run = () => {
    const child = join(root, 'test/dist/children/uplink-upload.js')
    const args = [child, server.url, path, checkpointFile]
    return spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  const first = run()
  half = () => first.kill('SIGKILL')
  expect(await once(first, 'exit')).toEqual([null, 'SIGKILL'])
  const before = server.received
  const second = run()
  expect(await once(second, 'exit')).toEqual([0, null])
  expect(uploadsIn(kept)).toEqual([digest(path)])
  expect(before).toBeLessThan(size)
  expect(server.received - size).toBeLessThan(onItsWay)
})

test('a server that lost its disk gets the whole file anew', async () => {
  const { path, kept } = setUp()
  await using server = await startTusServer(
    kept,
    atBytes({
      1200000: () => {
        for (const name of readdirSync(kept)) rmSync(join(kept, name))
      },
    }),
  )
  let expired = 0
  await using upload = await startUpload({
    ...{ url: server.url, body: await fileBody(path), backoff },
    ...{ chunkBytes: 500_000, rate: { max: 500_000, perMs: 100 } },
  })
  upload.on('expired', () => {
    expired += 1
  })
  await upload.exited
  expect(uploadsIn(kept)).toEqual([digest(path)])
  expect(expired).toBe(1)
})
