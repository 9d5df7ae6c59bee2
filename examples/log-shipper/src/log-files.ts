import type { BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export interface LogFile {
  path: string
  /** The same under any name. */
  id: string
}

/** A log and what it was rotated to, `PATH.2`, `PATH.1`, `PATH`: the oldest first. Compressed ones are left out. */
export async function listLogFiles(path: string): Promise<LogFile[]> {
  const name = basename(path)
  const there = (await readdir(dirname(path)).catch(unlessMissing)) ?? []
  const numbers = there
    .filter((other) => other.startsWith(`${name}.`) && /^\d+$/.test(other.slice(name.length + 1)))
    .map((other) => Number(other.slice(name.length + 1)))
    .sort((a, b) => b - a)
  const names = [...numbers.map((number) => `${name}.${number}`), name]
  const files = await Promise.all(names.map((other) => describe(join(dirname(path), other))))
  return files.filter((file) => file !== undefined)
}

/** An inode's number is given to the next file as soon as it is free; the time of birth tells them apart. */
export function identityOf({ ino, birthtimeNs }: BigIntStats): string {
  return `${ino}-${birthtimeNs}`
}

async function describe(path: string): Promise<LogFile | undefined> {
  const found = await stat(path, { bigint: true }).catch(unlessMissing)
  return found && { path, id: identityOf(found) }
}

/** What is not there yet, or was renamed just now, is there at the next look. */
export function unlessMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
