import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { numberOf } from './application.ts'
import type { LogLine } from './shipper.ts'

/** What the application wrote, against what is at the collector and in the dead letter. */
export interface LineAudit {
  written: number
  received: number
  refused: number
  /** In neither place. */
  lost: number
  /** Lines that the collector keeps more than once, under different ids. */
  doubled: number
}

export function auditLines(
  written: number,
  received: Iterable<LogLine>,
  refused: Iterable<LogLine>,
): LineAudit {
  const numbers = [...received].map(({ text }) => numberOf(text))
  const kept = new Set(numbers)
  const dead = new Set([...refused].map(({ text }) => numberOf(text)))
  const all = Array.from({ length: written }, (_, at) => at + 1)
  return {
    written,
    received: kept.size,
    refused: dead.size,
    lost: all.filter((number) => !kept.has(number) && !dead.has(number)).length,
    doubled: numbers.length - kept.size,
  }
}

/** Writes a file of bytes that no compression helps. */
export async function writeNoise(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let left = bytes; left > 0; left -= 2 ** 20) await file.write(randomBytes(Math.min(left, 2 ** 20)))
  } finally {
    await file.close()
  }
}

export async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

/** The uploads in the collector's folder that are of this size. */
export async function uploadsOfSize(folder: string, size: number): Promise<string[]> {
  const paths = (await readdir(folder)).map((name) => join(folder, name))
  const sizes = await Promise.all(paths.map(async (path) => (await stat(path)).size))
  return paths.filter((_, at) => sizes[at] === size)
}
