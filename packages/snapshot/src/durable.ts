import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes what was created, renamed or removed in a folder survive a power cut. */
export async function syncFolder(path: string | Buffer): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Like `mkdir -p`, with the new folders' names on disk when it resolves. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true })
  if (first === undefined) return
  for (let at = path; at.length >= first.length; at = dirname(at)) await syncFolder(dirname(at))
}

/**
 * Makes everything that was written to the folder's file system survive a power cut, at once: with `sync -f`
 * of coreutils or busybox, since Node has no `syncfs`. Resolves to false where that failed or is not to be had.
 *
 * An fsync for each of 1,000 small files takes seconds, this a fraction of one.
 */
export async function syncFilesystem(path: string): Promise<boolean> {
  if (process.platform !== 'linux') return false // Elsewhere `sync` takes no option, or does not wait.
  return new Promise((resolve) => {
    execFile('sync', ['-f', path], (error) => resolve(error === null))
  })
}

/** Whether `syncFilesystem` works here: asked of a file system that has nothing to write. */
export function canSyncFilesystem(): Promise<boolean> {
  return syncFilesystem('/proc/self/status')
}

/** So many parts go to the system at once, at most: Linux takes 1,024. */
const partsAtOnce = 512

/** Writes all the parts in a row from the handle's position, also where the system takes less at once than it is given. */
export async function writeAll(file: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  for (let from = 0; from < parts.length; from += partsAtOnce)
    for (let left = parts.slice(from, from + partsAtOnce); left.length > 0; )
      left = after(left, (await file.writev(left)).bytesWritten)
}

/** What is left of the parts after so many bytes. */
function after(parts: Uint8Array[], bytes: number): Uint8Array[] {
  let done = bytes
  const next = parts.findIndex((part) => {
    if (part.length > done) return true
    done -= part.length
    return false
  })
  return next < 0 ? [] : [parts[next]!.subarray(done), ...parts.slice(next + 1)]
}

/** Sixteen hexadecimal digits that no one else drew. */
export function uniqueId(): string {
  return randomBytes(8).toString('hex')
}
