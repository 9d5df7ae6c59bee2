import type { BigIntStats } from 'node:fs'
import { lstat, open, readdir, readlink, realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { checkString } from '@holdfast/core'
import { snapshotError, systemCode } from '../errors.ts'
import { entryPath, fsPath, nameOfBytes } from '../format/names.ts'
import { attributesOf, fileAttributes, hasChanged, openFlags } from './file-stat.ts'
import { type ListedEntry, listedEntry } from './listing.ts'
import type { Source, SourceEntry, SourceFile, SourceOptions } from './source.ts'

const statsAtOnce = 64

/**
 * All that is in a folder: files, folders, symbolic and hard links, with modes, owners and times.
 *
 * Nothing is locked: what changes meanwhile is in the snapshot as it was when it was
 * read, and a file that changes while it is read is read again. Symbolic links are
 * kept as links, never followed, but for the path itself. FIFOs, sockets and
 * devices are noted only. For a live LevelDB use `levelDb`.
 */
export function directory(path: string): Source {
  const given = resolve(checkString('path', path))
  const description = `the folder ${given}`
  return {
    kind: 'directory',
    description,
    async open({ listFolder }) {
      const root = await realpath(given).catch((cause: unknown) => {
        throw unreadable(description, cause)
      })
      const found = await lstat(root, { bigint: true })
      if (!found.isDirectory()) throw unreadable(description, 'it is no folder')
      const first = await entriesOf(root, listFolder).catch((cause: unknown) => {
        throw unreadable(description, cause)
      })
      let fresh: readonly SourceEntry[] | undefined = first
      return {
        root: {
          attributes: attributesOf(found),
          entries: async () => {
            const entries = fresh ?? (await entriesOf(root, listFolder))
            fresh = undefined
            return entries
          },
        },
        close: async () => {},
      }
    },
  }
}

export function unreadable(what: string, cause: unknown): Error {
  const reasons: Record<string, string> = {
    ENOENT: 'it does not exist',
    EACCES: 'this user may not read it',
    ENOTDIR: 'it is no folder',
    EMFILE: 'too many files are open: raise the limit (ulimit -n)',
  }
  const reason = reasons[systemCode(cause) ?? ''] ?? (cause instanceof Error ? cause.message : String(cause))
  return snapshotError('SOURCE_UNREADABLE', `cannot read ${what}: ${reason}`, {
    cause,
    fields: { source: what, reason: systemCode(cause) },
  })
}

type ListFolder = SourceOptions['listFolder']

async function entriesOf(folder: string, listFolder: ListFolder): Promise<SourceEntry[]> {
  const listing = (await listFolder?.(folder)) ?? (await namesIn(folder))
  const entries: SourceEntry[] = []
  for (let at = 0; at < listing.length; at += statsAtOnce) {
    const some = listing.slice(at, at + statsAtOnce)
    entries.push(...(await Promise.all(some.map((listed) => entryOf(folder, listed, listFolder)))))
  }
  return entries
}

async function namesIn(folder: string): Promise<string[]> {
  const names = await readdir(fsPath(folder), { encoding: 'buffer' })
  return names.sort(Buffer.compare).map(nameOfBytes)
}

function entryOf(
  folder: string,
  listed: ListedEntry | string,
  listFolder: ListFolder,
): SourceEntry | Promise<SourceEntry> {
  if (typeof listed === 'string') return lookUp(folder, listed, listFolder)
  const path = entryPath(folder, listed.name)
  if (listed.type === 'file') return { ...listed, path, open: () => openFile(path) }
  if (listed.type === 'special') return { ...listed, type: 'special' }
  return { ...listed, type: 'folder', entries: () => entriesOf(path, listFolder) }
}

async function lookUp(folder: string, name: string, listFolder: ListFolder): Promise<SourceEntry> {
  try {
    const path = fsPath(entryPath(folder, name))
    const found = await lstat(path, { bigint: true })
    const listed = listedEntry(name, found)
    if (listed) return entryOf(folder, listed, listFolder)
    const target = nameOfBytes(await readlink(path, 'buffer'))
    return { type: 'symlink', name, attributes: attributesOf(found), target }
  } catch (error) {
    return { type: 'unreadable', name, error }
  }
}

async function openFile(path: string): Promise<SourceFile> {
  const handle = await open(fsPath(path), openFlags)
  try {
    const opened = await handle.stat({ bigint: true })
    if (!opened.isFile()) throw unreadable(path, 'it is no file any more')
    return {
      attributes: fileAttributes(opened),
      read: async (into) => (await handle.read(into, 0, into.length, null)).bytesRead,
      changed: async () => hasChanged(opened, await handle.stat({ bigint: true }), await nameNow(path)),
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

async function nameNow(path: string): Promise<BigIntStats | undefined> {
  return lstat(fsPath(path), { bigint: true }).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  })
}
