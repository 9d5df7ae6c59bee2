import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '@holdfast/core'
import { snapshotError, systemCode } from '../../errors.ts'
import { unreadable } from '../directory.ts'
import { ifThere, type Manifest, readCurrent, readManifest } from './manifest.ts'
import type { Version } from './version.ts'

/** One file of a checkpoint: held open, so that LevelDB may delete it meanwhile, and read up to `size` only. */
export interface HeldFile {
  readonly name: string
  readonly size: number
  readonly handle: FileHandle
}

export interface Checkpoint {
  /** Tables and logs. */
  readonly held: readonly HeldFile[]
  /** The MANIFEST's complete records, and the CURRENT that points to it. */
  readonly written: readonly { readonly name: string; readonly bytes: Uint8Array }[]
  close(): Promise<void>
}

export interface CheckpointOptions {
  clock: Clock
  signal?: AbortSignal | undefined
  /** How often to try while the database keeps changing its MANIFEST. @default 200 */
  attempts?: number
}

const retryMs = 5
/** So often it is tried again at once: what is open already need not be opened again. */
const eagerAttempts = 4
const opensAtOnce = 32
/** What looks damaged for so many attempts is not a write in progress. */
const damagedAttempts = 20

/**
 * Fixes the state of a LevelDB that may be open and written to, in this or another process.
 *
 * Live tables never change and logs only grow, so the state is: a MANIFEST's
 * records, the tables they name, and the logs from their log number on, each up to
 * the length it had. It is of one moment if the MANIFEST did not change in between,
 * since LevelDB deletes no table or log without recording it there first; else the
 * files are looked for again, those that are still wanted being kept open.
 *
 * Files are opened for reading only. LOCK is never touched: closing it would drop
 * the lock of a database in this process. Nothing is linked: a hard link that is
 * opened as a database writes into the live one.
 */
export async function openCheckpoint(path: string, options: CheckpointOptions): Promise<Checkpoint> {
  const { clock, signal, attempts = 200 } = options
  const tables = new Map<string, FileHandle>()
  let before: Manifest | undefined
  try {
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      signal?.throwIfAborted()
      const seen = await readManifest(path, attempt >= Math.min(attempts, damagedAttempts), before)
      if (seen) {
        // Only a recovery, which begins a new MANIFEST, gives a number a second time.
        if (seen.name !== before?.name) await closeAll(tables)
        before = seen
        const found = await tryOnce(path, seen, tables)
        if (found) return found
      }
      if (attempt > eagerAttempts) await clock.sleep(retryMs, signal)
    }
    throw snapshotError(
      'SOURCE_UNSTABLE',
      `the LevelDB ${path} changed its MANIFEST during each of ${attempts} attempts: try again when it is less busy`,
      { fields: { source: path, attempts } },
    )
  } catch (error) {
    await closeAll(tables)
    throw error
  }
}

async function tryOnce(
  path: string,
  seen: Manifest,
  tables: Map<string, FileHandle>,
): Promise<Checkpoint | undefined> {
  const held = await holdTables(path, seen.version, tables)
  if (!held) return undefined
  const logs: HeldFile[] = []
  let complete = false
  try {
    complete = (await holdLogs(path, seen.version, logs)) && (await isUnchanged(path, seen))
  } finally {
    if (!complete) for (const { handle } of logs) await handle.close()
  }
  if (!complete) return undefined
  const files = [...held, ...logs]
  const kept = new Set(files.map(({ handle }) => handle))
  for (const handle of tables.values()) if (!kept.has(handle)) await handle.close()
  return {
    held: files,
    written: [
      { name: 'CURRENT', bytes: Buffer.from(`${seen.name}\n`) },
      { name: seen.name, bytes: seen.bytes.subarray(0, seen.validBytes) },
    ],
    close: async () => {
      for (const { handle } of files) await handle.close()
    },
  }
}

/** Opens the live tables that are not open yet. Undefined where one is gone: the MANIFEST has moved on. */
async function holdTables(
  path: string,
  { tables }: Version,
  open: Map<string, FileHandle>,
): Promise<HeldFile[] | undefined> {
  const held: HeldFile[] = []
  const live = [...tables]
  // At the same time, since the MANIFEST must stand still for as long as it takes.
  for (let at = 0; at < live.length; at += opensAtOnce) {
    const some = live.slice(at, at + opensAtOnce)
    // All of them settled, so that none is opened after the others were closed.
    const found = await Promise.allSettled(some.map(([number, size]) => holdTable(path, number, size, open)))
    for (const result of found) {
      if (result.status === 'rejected') throw result.reason
      if (!result.value) return undefined
      held.push(result.value)
    }
  }
  return held
}

/** Opens a table, and looks at its size then: it never changes. */
async function holdTable(
  path: string,
  number: number,
  size: number,
  open: Map<string, FileHandle>,
): Promise<HeldFile | undefined> {
  const stem = String(number).padStart(6, '0')
  for (const name of [`${stem}.ldb`, `${stem}.sst`]) {
    const known = open.get(name)
    if (known) return { name, size, handle: known }
    const handle = await ifThere(hold(path, name))
    if (!handle) continue
    open.set(name, handle)
    const { size: actual } = await handle.stat()
    if (actual === size) return { name, size, handle }
    throw unreadable(`the LevelDB ${path}`, `${name} has ${actual} bytes and should have ${size}`)
  }
  return undefined
}

/** Opens the logs in ascending order, each before the length of the next is looked at: a log is complete once there is a next. */
async function holdLogs(path: string, version: Version, held: HeldFile[]): Promise<boolean> {
  const numbers = (await readdir(path))
    .flatMap((name) => (/^\d+\.log$/.test(name) ? [{ name, number: Number.parseInt(name, 10) }] : []))
    .filter(({ number }) => number >= version.logNumber || number === version.previousLogNumber)
    .sort((a, b) => a.number - b.number)
  if (version.logNumber > 0 && !numbers.some(({ number }) => number === version.logNumber)) return false
  for (const { name } of numbers) {
    const handle = await ifThere(hold(path, name))
    if (!handle) return false
    try {
      held.push({ name, handle, size: (await handle.stat()).size })
    } catch (error) {
      await handle.close()
      throw error
    }
  }
  return true
}

async function isUnchanged(path: string, seen: Manifest): Promise<boolean> {
  const manifest = await ifThere(stat(join(path, seen.name)))
  // It is only ever appended to.
  return (await readCurrent(path)) === seen.name && manifest?.size === seen.bytes.length
}

function hold(path: string, name: string): Promise<FileHandle> {
  return open(join(path, name), 'r').catch((cause: unknown) => {
    throw systemCode(cause) === 'ENOENT' ? cause : unreadable(`the LevelDB ${path}`, cause)
  })
}

async function closeAll(handles: Map<string, FileHandle>): Promise<void> {
  for (const handle of handles.values()) await handle.close()
  handles.clear()
}
