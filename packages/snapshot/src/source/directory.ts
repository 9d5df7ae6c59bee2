import type { BigIntStats } from 'node:fs'
import { lstat, open, readdir, readlink, realpath } from 'node:fs/promises'
import { resolve } from 'node:path'
import { checkString } from '@holdfast/core'
import { snapshotError, systemCode } from '../errors.ts'
import { fsPath, nameOfBytes } from '../format/names.ts'
import { attributesOf, fileAttributes, hasChanged, openFlags } from './file-stat.ts'
import type { Source, SourceEntry, SourceFile } from './source.ts'

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
    async open() {
      const root = await realpath(given).catch((cause: unknown) => {
        throw unreadable(description, cause)
      })
      const found = await lstat(root, { bigint: true })
      if (!found.isDirectory()) throw unreadable(description, 'it is no folder')
      const first = await entriesOf(root).catch((cause: unknown) => {
        throw unreadable(description, cause)
      })
      let fresh: readonly SourceEntry[] | undefined = first
      return {
        root: {
          attributes: attributesOf(found),
          entries: async () => {
            const entries = fresh ?? (await entriesOf(root))
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

async function entriesOf(folder: string): Promise<SourceEntry[]> {
  const names = (await readdir(fsPath(folder), { encoding: 'buffer' })).sort(Buffer.compare).map(nameOfBytes)
  const entries: SourceEntry[] = []
  for (let at = 0; at < names.length; at += statsAtOnce)
    entries.push(
      ...(await Promise.all(names.slice(at, at + statsAtOnce).map((name) => entryOf(folder, name)))),
    )
  return entries
}

async function entryOf(folder: string, name: string): Promise<SourceEntry> {
  const path = `${folder === '/' ? '' : folder}/${name}`
  try {
    const found = await lstat(fsPath(path), { bigint: true })
    const attributes = attributesOf(found)
    if (found.isFile())
      return { type: 'file', name, attributes: fileAttributes(found), path, open: () => openFile(path) }
    if (found.isDirectory()) return { type: 'folder', name, attributes, entries: () => entriesOf(path) }
    if (found.isSymbolicLink())
      return {
        type: 'symlink',
        name,
        attributes,
        target: nameOfBytes(await readlink(fsPath(path), 'buffer')),
      }
    return { type: 'special', name, attributes }
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
