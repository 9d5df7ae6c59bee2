import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checkString, type Running } from '@holdfast/core'
import { recoveryError } from '../errors.ts'
import { type Decoded, decodeJournal, encodeHeader, encodeRecord } from './format.ts'
import type { Journal, JournalRecord } from './journal.ts'
import { takeLock } from './lock.ts'

export interface FileJournal extends Journal, Running {
  readonly path: string
}

/**
 * Opens a journal in a file that only grows, and makes it where it is missing.
 *
 * A record is on disk (fsync) once its `append` resolves. The torn end that a
 * crash left is cut off; damage before it is `JOURNAL_CORRUPT`. A file is open
 * once: `JOURNAL_LOCKED` while another living process has it, told by
 * `PATH.lock`. `JOURNAL_FAILED` where the disk does: after a failed fsync
 * every later append fails too, for nobody knows what is on disk.
 */
export async function openJournal(path: string): Promise<FileJournal> {
  checkString('path', path)
  await mkdir(dirname(path), { recursive: true }).catch(rethrow(path, 'create'))
  const unlock = await takeLock(path)
  try {
    return await openLocked(path, unlock)
  } catch (error) {
    await unlock()
    throw error
  }
}

/** Reads a journal's records without opening it, also while a run has it open: for `reportOf`. */
export async function readJournal(path: string): Promise<readonly JournalRecord[]> {
  const bytes = await readFile(checkString('path', path)).catch(rethrow(path, 'read'))
  return decodeJournal(path, bytes).records
}

async function openLocked(path: string, unlock: () => Promise<void>): Promise<FileJournal> {
  // Not 'a': the torn end has to be cut, and written over.
  const file = await openOrCreate(path).catch(rethrow(path, 'open'))
  try {
    const decoded = decodeJournal(path, await readAll(file).catch(rethrow(path, 'read')))
    return await fileJournal(path, file, decoded, unlock)
  } catch (error) {
    await file.close()
    throw error
  }
}

async function fileJournal(
  path: string,
  file: FileHandle,
  { records: found, wholeBytes }: Decoded,
  unlock: () => Promise<void>,
): Promise<FileJournal> {
  const records = [...found]
  /** What waits for the write under way; it is then written, and synced, at once. */
  let waiting: { readonly records: JournalRecord[]; readonly written: Promise<void> } | undefined
  let last: Promise<void> = Promise.resolve()
  let closing: Promise<void> | undefined
  let size = wholeBytes
  let broken: Error | undefined
  await file.truncate(size).catch(rethrow(path, 'write'))
  if (size === 0) await write(encodeHeader())
  await syncFolder(dirname(path)).catch(rethrow(path, 'write'))

  return { path, read, append, close, [Symbol.asyncDispose]: close }

  async function read(): Promise<readonly JournalRecord[]> {
    return structuredClone(records)
  }

  function append(record: JournalRecord): Promise<void> {
    if (closing)
      return Promise.reject(recoveryError('JOURNAL_CLOSED', `${path} was closed`, { fields: { path } }))
    if (!waiting) {
      const batch: JournalRecord[] = []
      waiting = { records: batch, written: last.then(() => writeBatch(batch)) }
      last = waiting.written.catch(() => undefined) // It is the callers': the next batch has its own answer.
    }
    waiting.records.push(structuredClone(record))
    return waiting.written
  }

  async function writeBatch(batch: readonly JournalRecord[]): Promise<void> {
    waiting = undefined
    await write(batch.map(encodeRecord).join(''))
    records.push(...batch)
  }

  async function write(lines: string): Promise<void> {
    if (broken) throw broken
    const bytes = Buffer.from(lines)
    await writeAll(file, bytes, size).catch(undo)
    await file.datasync().catch(breakOff)
    size += bytes.length
  }

  /** Cuts off what was written of some lines that could not be written whole. */
  async function undo(cause: unknown): Promise<never> {
    await file.truncate(size).catch(breakOff)
    throw failed(path, 'write', cause)
  }

  function breakOff(cause: unknown): never {
    broken = failed(path, 'write', cause)
    throw broken
  }

  function close(): Promise<void> {
    closing ??= last.then(() => file.close()).then(unlock)
    return closing
  }
}

/** Opens without changing what is there. */
async function openOrCreate(path: string): Promise<FileHandle> {
  return open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return open(path, 'wx+', 0o600)
    throw error
  })
}

async function readAll(file: FileHandle): Promise<Buffer> {
  const { size } = await file.stat()
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(bytes, at, size - at, at)
    if (bytesRead === 0) return bytes.subarray(0, at)
    at += bytesRead
  }
  return bytes
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at)
    at += bytesWritten
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function rethrow(path: string, what: string): (cause: unknown) => never {
  return (cause) => {
    throw failed(path, what, cause)
  }
}

function failed(path: string, what: string, cause: unknown): Error {
  return recoveryError('JOURNAL_FAILED', `Could not ${what} ${path}: ${(cause as Error).message}`, {
    cause,
    fields: { path },
  })
}
