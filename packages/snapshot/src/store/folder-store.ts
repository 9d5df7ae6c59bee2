import type { Dirent, Stats } from 'node:fs'
import { link, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { checkString, isHoldfastError } from '@holdfast/core'
import { makeFolder, syncFolder, uniqueId, writeAll } from '../durable.ts'
import { snapshotError, systemCode } from '../errors.ts'
import {
  type BlobStore,
  checkKey,
  isKey,
  type ListedObject,
  type ReadOptions,
  type WriteOptions,
} from './store.ts'

/** Where half-written objects are, inside the store's folder; not a key, for its leading dot. */
const temporaryFolder = '.tmp'
const staleMs = 24 * 3_600_000

/**
 * A blob store in a folder of this machine or of a network file system with POSIX renames and links.
 *
 * Created when first written to. Every object is written to a temporary file,
 * fsynced, renamed (or linked, for `ifAbsent`) and its folder fsynced, so it
 * survives a power cut whole or not at all. Its clock is the file system's.
 */
export function folderStore(path: string): BlobStore {
  const root = resolve(checkString('path', path))
  const description = `the folder ${root}`
  let swept = false
  return {
    description,
    supports: { delete: true },
    get: (key, options = {}) => guarded('read', key, options, () => read(fileOf(key), options)),
    put: (key, parts, options = {}) =>
      guarded('write', key, options, () => write(fileOf(key), parts, options)),
    stat: (key, options = {}) =>
      guarded('look up', key, options, async () => objectStat(await ifThere(stat(fileOf(key))))),
    list,
    delete: (key, options = {}) => guarded('delete', key, options, () => remove(fileOf(key))),
    now: () => guarded('tell the time', temporaryFolder, {}, now),
  }

  function fileOf(key: string): string {
    return join(root, checkKey(key))
  }

  async function write(file: string, parts: readonly Uint8Array[], options: WriteOptions): Promise<boolean> {
    const temporary = await writeTemporary(parts)
    try {
      const folder = dirname(file)
      await makeFolder(folder)
      if (options.ifAbsent) {
        if (!(await linkIfAbsent(temporary, file))) return false
      } else await rename(temporary, file)
      await syncFolder(folder)
      return true
    } finally {
      await ifThere(unlink(temporary))
    }
  }

  async function writeTemporary(parts: readonly Uint8Array[]): Promise<string> {
    const folder = join(root, temporaryFolder)
    await makeFolder(folder)
    const temporary = join(folder, uniqueId())
    const file = await open(temporary, 'wx', 0o600)
    try {
      await writeAll(file, parts)
      await file.sync()
    } catch (error) {
      await ifThere(unlink(temporary))
      throw error
    } finally {
      await file.close()
    }
    return temporary
  }

  async function now(): Promise<number> {
    const probe = await writeTemporary([])
    const { mtimeMs } = await stat(probe)
    await unlink(probe)
    await sweep(mtimeMs)
    return mtimeMs
  }

  /** Removes what writers that died long ago left half-written, once in a store's life. */
  async function sweep(nowMs: number): Promise<void> {
    if (swept) return
    swept = true
    for (const name of await readdir(join(root, temporaryFolder))) {
      const file = join(root, temporaryFolder, name)
      const found = await ifThere(stat(file))
      if (found && found.mtimeMs < nowMs - staleMs) await ifThere(unlink(file))
    }
  }

  async function* list(
    prefix: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): AsyncIterable<ListedObject> {
    const start = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    const folders = [start]
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const entry of await entriesOf(folder, signal)) {
        const key = folder + entry.name
        if (entry.name.startsWith('.') || !(key.startsWith(prefix) || prefix.startsWith(`${key}/`))) continue
        if (entry.isDirectory()) folders.push(`${key}/`)
        else if (isKey(key)) {
          const found = objectStat(
            await guarded('list', key, { signal }, () => ifThere(stat(join(root, key)))),
          )
          if (found) yield { key, ...found }
        }
      }
    }
  }

  async function entriesOf(folder: string, signal: AbortSignal | undefined): Promise<Dirent[]> {
    return guarded('list', folder, { signal }, async () => {
      return (await ifThere(readdir(join(root, folder), { withFileTypes: true }))) ?? []
    })
  }

  async function guarded<T>(
    what: string,
    key: string,
    { signal }: { signal?: AbortSignal | undefined },
    operation: () => Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted()
    try {
      return await operation()
    } catch (cause) {
      if (systemCode(cause) === undefined || isHoldfastError(cause)) throw cause
      const reason = systemCode(cause) === 'ENOSPC' ? 'its disk is full' : String((cause as Error).message)
      throw snapshotError('STORE_FAILED', `could not ${what} ${key} in ${description}: ${reason}`, {
        cause,
        fields: { key, store: description },
      })
    }
  }
}

async function read(file: string, { offset = 0, length }: ReadOptions): Promise<Uint8Array | undefined> {
  const handle = await ifThere(open(file, 'r'))
  if (!handle) return undefined
  try {
    const wanted = length ?? Math.max(0, (await handle.stat()).size - offset)
    const bytes = Buffer.allocUnsafeSlow(wanted)
    let done = 0
    while (done < wanted) {
      const { bytesRead } = await handle.read(bytes, done, wanted - done, offset + done)
      if (bytesRead === 0) break
      done += bytesRead
    }
    return bytes.subarray(0, done)
  } finally {
    await handle.close()
  }
}

async function remove(file: string): Promise<void> {
  await ifThere(unlink(file))
  await ifThere(syncFolder(dirname(file)))
}

async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** What the promise resolves to, or undefined where there is no such file. */
async function ifThere<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

function objectStat(found: Stats | undefined): { size: number; modifiedMs: number } | undefined {
  return found && { size: found.size, modifiedMs: found.mtimeMs }
}
