import { cpSync, linkSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { drain, fill, open, payload } from './ours.ts'

const parent = join(fileURLToPath(new URL('../../..', import.meta.url)), '.cache')

export interface Backlog {
  readonly messages: number
  /** By how much resident memory grew while it was filled, in MB. */
  readonly growth: number
  /** Puts a copy of it into a folder, as an owner that was killed leaves it. */
  copyTo(folder: string): void
}

let making: Promise<Backlog> | undefined

/** Ten million messages, made once for all rows and gone with the process. */
export function longBacklog(quick: boolean): Promise<Backlog> {
  making ??= makeBacklog(quick ? 200_000 : 10_000_000)
  return making
}

async function makeBacklog(messages: number): Promise<Backlog> {
  const root = join(parent, `bench-queue-${process.pid}`)
  mkdirSync(root, { recursive: true })
  process.once('exit', () => rmSync(root, { recursive: true, force: true }))
  const queue = await open(root)
  // The collector's young space and LevelDB's buffers reach their size with any load: they are not the backlog's.
  await fill(queue, 200_000)
  await drain(queue, 199_000)
  const before = process.memoryUsage.rss()
  await fill(queue, messages - 1_000)
  const growth = (process.memoryUsage.rss() - before) / 1e6
  await queue.enqueue(payload)
  const killed = join(root, 'killed')
  copyFiles(join(root, 'queue'), killed)
  await queue.close()
  rmSync(join(root, 'queue'), { recursive: true })
  return { messages, growth, copyTo: (folder) => copyFiles(killed, join(folder, 'queue')) }
}

/** Tables never change once written, so links to them will do. */
function copyFiles(source: string, target: string): void {
  mkdirSync(target, { recursive: true })
  const names = readdirSync(source)
  for (const name of names)
    if (name.endsWith('.ldb')) linkSync(join(source, name), join(target, name))
    else if (name !== 'LOCK') cpSync(join(source, name), join(target, name), { recursive: true })
}

/** The middle of so many takes of one message with its acknowledgement, in microseconds. */
export async function takeOneMicros(folder: string, count = 2_000): Promise<number> {
  const queue = await open(folder)
  const times: number[] = []
  for (let round = 0; round < count; round++) {
    const start = performance.now()
    await drain(queue, 1, 1)
    times.push(performance.now() - start)
  }
  await queue.close()
  return times.sort((a, b) => a - b)[count >> 1]! * 1_000
}
