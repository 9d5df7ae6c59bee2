import { readdir, readlink } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { isAbsence, readSteadily } from './read-file.ts'
import { fileFingerprint } from './watch-folder.ts'

const mostTries = 200

export interface FolderContent {
  /** What `..data` pointed to; absent for a folder that is no ConfigMap. */
  readonly version?: string
  /** The texts by their paths below the folder, with slashes, in their order. */
  readonly files: ReadonlyMap<string, string>
}

/**
 * The files of a folder as of one version, `undefined` when there is no folder.
 *
 * Kubernetes' atomic writer fills a new folder `..2026_…`, points the symlink `..data` to it in one
 * rename, and then removes the old folder (pkg/volume/util/atomic_writer.go). So: resolve, list
 * inside, resolve again. If that is the same, nothing was removed yet and the list is whole; every
 * file of it that can then still be read is of that version, and one that is gone means: again.
 * In a folder without `..data`, a listing that changes while the files are read means the same.
 */
export async function readFolder(
  folder: string,
  { only, maxBytes }: { only: string | undefined; maxBytes: number },
): Promise<FolderContent | undefined> {
  for (let tries = 1; tries <= mostTries; tries += 1) {
    const version = await versionOf(folder)
    const content = version === undefined ? await readPlain() : await readVersion(version)
    if (content !== 'changed') return content
  }
  throw new Error(`${folder} was changing during each of ${mostTries} readings`)

  async function readVersion(version: string): Promise<FolderContent | 'changed'> {
    const base = resolve(folder, version)
    const paths = await list(base, '..')
    if (!paths || (await versionOf(folder)) !== version) return 'changed'
    const files = await readAll(base, paths)
    return files ? { version, files } : 'changed'
  }

  async function readPlain(): Promise<FolderContent | undefined | 'changed'> {
    const before = await folderFingerprint(folder)
    const paths = await list(folder, '.')
    if (!paths) return undefined
    const files = await readAll(folder, paths)
    return files && (await folderFingerprint(folder)) === before ? { files } : 'changed'
  }

  async function readAll(base: string, paths: readonly string[]): Promise<Map<string, string> | undefined> {
    const wanted = paths.filter((path) => only === undefined || path === only)
    const files = new Map<string, string>()
    let bytes = 0
    for (const path of wanted) {
      const text = await readSteadily(join(base, path), maxBytes)
      if (text === undefined) return undefined
      bytes += Buffer.byteLength(text)
      if (bytes > maxBytes) throw new Error(`${folder} holds more than ${maxBytes} bytes`)
      files.set(path, text)
    }
    return files
  }
}

/** Changes whenever the folder's content may have. Never rejects. */
export async function folderFingerprint(folder: string): Promise<string> {
  try {
    const version = await versionOf(folder)
    if (version !== undefined) return version
    const paths = (await list(folder, '.')) ?? []
    const each = await Promise.all(paths.map((path) => fileFingerprint(join(folder, path))))
    return [await fileFingerprint(folder), ...paths, ...each].join('\n')
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

async function versionOf(folder: string): Promise<string | undefined> {
  try {
    return await readlink(join(folder, '..data'))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (isAbsence(error) || code === 'EINVAL') return undefined
    throw error
  }
}

/** The files below a folder, sorted; names that begin with `hidden` are left out. `undefined` when there is no folder. */
async function list(base: string, hidden: string): Promise<readonly string[] | undefined> {
  try {
    const entries = await readdir(base, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => relative(base, join(entry.parentPath, entry.name)))
      .filter((path) => !path.split('/').some((part) => part.startsWith(hidden)))
      .sort()
  } catch (error) {
    if (isAbsence(error)) return undefined
    throw error
  }
}
