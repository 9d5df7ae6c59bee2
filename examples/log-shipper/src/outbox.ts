import { mkdir, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, type Running, systemClock } from '@holdfast/core'
import { identityOf, unlessMissing } from './log-files.ts'

export interface OutboxOptions {
  folder: string
  /** Takes a file for good before it resolves. The key is the same for the same file at every look. */
  accept(path: string, key: string): Promise<unknown>
  /** @default 200 */
  pollMs?: number
  clock?: Clock
}

/** Hands on every file that is moved into a folder; one that is still being written must be elsewhere until it is whole. */
export async function startOutbox(options: OutboxOptions): Promise<Running> {
  const { folder, accept, pollMs = 200, clock = systemClock } = options
  const stop = new AbortController()
  const known = new Set<string>()
  await mkdir(folder, { recursive: true })
  const exited = look()
  return { exited, close, [Symbol.asyncDispose]: close }

  async function look(): Promise<void> {
    while (!stop.signal.aborted) {
      for (const name of await readdir(folder)) await handOn(join(folder, name))
      await clock.sleep(pollMs, stop.signal)
    }
  }

  async function handOn(path: string): Promise<void> {
    const found = await stat(path, { bigint: true }).catch(unlessMissing)
    if (!found?.isFile()) return
    const key = identityOf(found)
    if (known.has(key)) return
    await accept(path, key)
    known.add(key)
  }

  async function close(): Promise<void> {
    stop.abort()
    await exited
  }
}
