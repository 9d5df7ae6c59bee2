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

/** Writes all the parts in a row from the handle's position. A plain `writev` may write less than it was given. */
export async function writeAll(file: FileHandle, parts: readonly Uint8Array[]): Promise<void> {
  for (const part of parts)
    for (let done = 0; done < part.length; )
      done += (await file.write(part, done, part.length - done)).bytesWritten
}

/** Sixteen hexadecimal digits that no one else drew. */
export function uniqueId(): string {
  return randomBytes(8).toString('hex')
}
