import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'
import { unreadable } from '../directory.ts'
import { readLog } from './log.ts'
import { applyEdits, noVersion, type Version } from './version.ts'

/** A MANIFEST as it stood at one moment. */
export interface Manifest {
  readonly name: string
  readonly bytes: Buffer
  /** Up to where its records are complete. */
  readonly validBytes: number
  readonly version: Version
}

/**
 * Reads CURRENT and what it names; undefined where that was replaced or is being written to, which
 * with `isLast` is an error.
 *
 * A MANIFEST grows by a record with each compaction for as long as its database is open. Of one that
 * was read before only what is new is read and replayed: else a look would take longer than the pause
 * between two compactions, and no look would ever find it unchanged.
 */
export async function readManifest(
  path: string,
  isLast: boolean,
  before?: Manifest,
): Promise<Manifest | undefined> {
  const name = await readCurrent(path)
  const known = before?.name === name ? before : undefined
  const from = known?.validBytes ?? 0
  const tail = await ifThere(readFrom(join(path, name), from))
  if (!tail) {
    if (isLast) throw unreadable(`the LevelDB ${path}`, `its CURRENT names ${name}, which does not exist`)
    return undefined
  }
  const bytes = known ? Buffer.concat([known.bytes.subarray(0, from), tail]) : tail
  const { records, validBytes, end } = readLog(bytes, from)
  // A torn end is a write in progress, or what a crash left: LevelDB itself reads up to there.
  if (end === 'damaged' && !isLast) return undefined
  if (end === 'damaged') throw unreadable(`the LevelDB ${path}`, `${name} is damaged at byte ${validBytes}`)
  try {
    return { name, bytes, validBytes, version: applyEdits(known?.version ?? noVersion, records) }
  } catch (cause) {
    throw unreadable(`the LevelDB ${path}`, new Error(`${name} makes no sense: ${String(cause)}`, { cause }))
  }
}

/** The name of the MANIFEST that counts. */
export async function readCurrent(path: string): Promise<string> {
  const current = await readFile(join(path, 'CURRENT'), 'latin1').catch((cause: unknown) => {
    const missing = systemCode(cause) === 'ENOENT'
    throw unreadable(
      `the LevelDB ${path}`,
      missing ? new Error('it has no CURRENT, so it is no LevelDB') : cause,
    )
  })
  const name = current.trimEnd()
  if (/^MANIFEST-\d+$/.test(name)) return name
  throw unreadable(`the LevelDB ${path}`, `its CURRENT says ${JSON.stringify(current)}`)
}

/** All of a file from a position on, up to where it ends now. */
async function readFrom(path: string, position: number): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const bytes = Buffer.alloc(Math.max(0, size - position))
    let read = 0
    while (read < bytes.length) {
      const { bytesRead } = await file.read(bytes, read, bytes.length - read, position + read)
      if (bytesRead === 0) break
      read += bytesRead
    }
    return bytes.subarray(0, read)
  } finally {
    await file.close()
  }
}

export async function ifThere<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}
