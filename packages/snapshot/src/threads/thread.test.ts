import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
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

/** Minutes of work in one order, of which each piece takes microseconds. */
async function keepAtWork(threads: Threads): Promise<unknown> {
  const thread = threads.leastBusy()
  await thread.ask({ kind: 'read', batch: 1, paths: Array(100).fill(file) })
  const wanted = Array.from({ length: 2_000_000 }, (_, at) => at % 100)
  return thread.ask({ kind: 'compress', batch: 1, wanted }).catch((error: unknown) => error)
}

test('a thread that is closed amid its work stops after the piece in hand, and ends by itself', async () => {
  const exits: number[] = []
  process.once('worker', (worker) => worker.once('exit', (code) => exits.push(code)))
  const threads = create(1)
  const order = keepAtWork(threads)
  await new Promise((resolve) => setTimeout(resolve, 300))
  await threads.close()
  expect(await await order).toEqual(new Error('a thread ended with 0'))
  expect(exits).toEqual([0]) // 1 is of a thread that was ended from outside.
  await expect(threads.leastBusy().ask({ kind: 'read', batch: 2, paths: [] })).rejects.toThrow('ended with 0')
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
      thread.ask({ kind: 'compress', batch: 1, wanted: Array.from({ length: 2_000_000 }, (_, at) => at % 100) })
    }
    setTimeout(() => process.exit(7), Math.random() * 20)`
  for (let round = 0; round < (deep ? 300 : 5); round += 1) {
    const run = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program, file])
    await expect(run).rejects.toMatchObject({ code: 7, signal: null })
  }
})
