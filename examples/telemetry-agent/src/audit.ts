import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import type { Received } from './collector.ts'

/** What was promised, read from the disk, against what arrived, read from the collector. */
export interface Audit {
  /** Lines in the log, and readings whose acceptance was written down. */
  produced: number
  /** Different observations that the collector holds. */
  received: number
  lost: number
}

export async function audit(files: { log: string; ledger: string }, received: Received): Promise<Audit> {
  const promised = [...(await logObservations(files.log)), ...(await ledgerObservations(files.ledger))]
  const held = new Set([...received.records.values()].map((record) => record.observation))
  const lost = promised.filter((observation) => !held.has(observation))
  return { produced: promised.length, received: held.size, lost: lost.length }
}

/** Each line of the log, named as the tail names it: by the file and where the line begins. */
export async function logObservations(logFile: string): Promise<string[]> {
  const { ino } = await stat(logFile)
  const bytes = await readFile(logFile)
  const names: string[] = []
  let start = 0
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    names.push(`log:${ino}:${start}`)
    start = end + 1
  }
  return names
}

async function ledgerObservations(ledger: string): Promise<string[]> {
  return (await readFile(ledger, 'utf8')).split('\n').filter((line) => line !== '')
}

/** The SHA-256 of every file below a folder, by its path in it. */
export async function digests(folder: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
  const hashed = files.map(
    async (file) =>
      [
        relative(folder, file),
        createHash('sha256')
          .update(await readFile(file))
          .digest('hex'),
      ] as const,
  )
  return new Map(await Promise.all(hashed))
}

/** The bytes of all files below a folder, as the disk has them. */
export async function bytesBelow(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name))).size)
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
