import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createSeededRandom } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Order } from './program.ts'
import { createThreads, type Threads } from './thread.ts'

// Node aborts a process of which a thread is ended while it opens a compressor: one time in 250.
const deep = process.env['HOLDFAST_DEEP'] === '1'
let folder: string
let file: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-threads-'))
  file = join(folder, 'small')
  await writeFile(file, 'small and compressible '.repeat(4))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const create = (count: number): Threads =>
  createThreads(count, { idKey: undefined, maxBytes: 1_000, compression: 'brotli' })

/** An order that makes so many empty files. */
function makeFiles(count: number): Extract<Order, { kind: 'unpack' }> {
  const write = (at: number) => ({ path: join(folder, `made-${at}`), size: 0, mode: 0o600, mtimeSeconds: 0 })
  const items = Array.from({ length: count }, (_, at) => ({ writes: [write(at)] }))
  return { kind: 'unpack', key: undefined, items: JSON.stringify(items), bytes: new Uint8Array() }
}

test('a thread that is closed amid its work stops after the piece in hand, and ends by itself', async () => {
  const exits: number[] = []
  process.once('worker', (worker) => worker.once('exit', (code) => exits.push(code)))
  const threads = create(1)
  const order = threads
    .leastBusy()
    .ask(makeFiles(50_000))
    .catch((error: unknown) => error)
  while (!existsSync(join(folder, 'made-0'))) await new Promise((resolve) => setImmediate(resolve))
  await threads.close()
  expect(await order).toEqual(new Error('a thread ended with 0'))
  expect(exits).toEqual([0]) // 1 is of a thread that was ended from outside.
  expect(existsSync(join(folder, 'made-49999'))).toBe(false)
  await expect(threads.leastBusy().ask(makeFiles(1))).rejects.toThrow('ended with 0')
  expect(process.listeners('exit').filter(({ name }) => name === 'stopAll')).toEqual([])
})

test('a thread that is closed before it begins ends too', async () => {
  const threads = create(2)
  const orders = [1, 2].map((batch) => threads.leastBusy().ask({ kind: 'read', batch, paths: [file] }))
  const outcomes = Promise.allSettled(orders)
  await threads.close()
  expect((await outcomes).every(({ status }) => status === 'rejected')).toBe(true)
})

test('a process that exits while its threads are at work has the exit code that it asked for', async () => {
  const program = `
    import { createThreads } from ${JSON.stringify(new URL('../../dist/threads/thread.js', import.meta.url).href)}
    const threads = createThreads(4, { idKey: undefined, maxBytes: 1_000, compression: 'brotli' })
    for (let number = 0; number < 4; number += 1) {
      const thread = threads.leastBusy()
      await thread.ask({ kind: 'read', batch: 1, paths: Array(100).fill(process.argv[1]) })
      thread.ask({ kind: 'compress', batch: 1, wanted: Array.from({ length: 100_000 }, (_, at) => at % 100) })
    }
    setTimeout(() => process.exit(7), Number(process.argv[2]))`
  const seed = Math.floor(Math.random() * 2 ** 31)
  const random = createSeededRandom(seed)
  for (let round = 0; round < (deep ? 200 : 3); round += 1) {
    const afterMs = random() * 20
    const run = promisify(execFile)(process.execPath, [
      '--input-type=module',
      '--eval',
      program,
      file,
      String(afterMs),
    ])
    await expect(run, `seed ${seed}, round ${round}, after ${afterMs} ms`).rejects.toMatchObject({
      code: 7,
      signal: null,
    })
  }
}, 600_000)
