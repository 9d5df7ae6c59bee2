import { chmod, chown, link, lutimes, mkdir, symlink, utimes } from 'node:fs/promises'
import type { ChunkReader } from '../chunks/chunk-reader.ts'
import { syncFolder } from '../durable.ts'
import { fsPath } from '../format/names.ts'
import type { Attributes, FileEntry, SymlinkEntry } from '../format/tree.ts'
import type { Meter } from '../progress.ts'
import { walkSnapshot } from '../walk-snapshot.ts'
import { modeOf, mtimeSeconds } from './attributes.ts'
import type { Files } from './files.ts'
import type { PlannedFile } from './plan.ts'
import type { Selection } from './selection.ts'
import { named } from './target-error.ts'

interface FillOptions {
  readonly wanted: Selection
  readonly meter: Meter
  readonly planFile: (path: string, entry: FileEntry) => PlannedFile
  readonly owner: boolean
  readonly fsync: boolean
  readonly signal: AbortSignal | undefined
}

export interface Filled {
  readonly folders: number
  readonly skippedPaths: readonly string[]
}

const listedPaths = 1_000

/** Fills a folder: folders and files as they come; then links, which thereby can lead no file astray; then what folders have, from the inside out. */
export async function fill(
  root: string,
  { tree, ...attributes }: Attributes & { tree: string },
  reader: ChunkReader,
  files: Files,
  options: FillOptions,
): Promise<Filled> {
  const { wanted, meter, owner, fsync, signal } = options
  const skippedPaths: string[] = []
  const links: { path: string; make: () => Promise<void> }[] = []
  const firstOfLink = new Map<string, string>()
  const folders: { path: string; attributes: Attributes }[] = [{ path: '', attributes }]
  for await (const { path, entry } of walkSnapshot(reader, { tree }, { signal, enter: wanted.below })) {
    if (entry.type === 'folder' ? !wanted.below(path) : !wanted.has(path)) continue
    if (entry.type === 'folder') {
      await guarded(path, async () => void (await mkdir(at(path), { mode: 0o700 })))
      folders.push({ path, attributes: entry })
    } else if (entry.type === 'special') {
      if (skippedPaths.length < listedPaths) skippedPaths.push(path)
    } else if (entry.type === 'symlink') links.push({ path, make: () => makeSymlink(path, entry) })
    else await addFile(path, entry)
  }
  await files.finish()
  for (const { path, make } of links) await guarded(path, make)
  for (const folder of folders.toReversed()) await guarded(folder.path, () => finishFolder(folder))
  return { folders: folders.length, skippedPaths }

  async function addFile(path: string, entry: FileEntry): Promise<void> {
    const first = entry.link === undefined ? undefined : firstOfLink.get(entry.link)
    if (first !== undefined) return void links.push({ path, make: () => makeLink(first, path) })
    if (entry.link !== undefined) firstOfLink.set(entry.link, path)
    await files.add(await guarded(path, async () => options.planFile(path, entry)))
  }

  async function makeLink(existing: string, path: string): Promise<void> {
    await link(at(existing), at(path))
    meter.addFile()
  }

  async function makeSymlink(path: string, entry: SymlinkEntry): Promise<void> {
    await symlink(fsPath(entry.target), at(path))
    await lutimes(at(path), mtimeSeconds(entry), mtimeSeconds(entry))
  }

  async function finishFolder({ path, attributes }: (typeof folders)[number]): Promise<void> {
    if (fsync) await syncFolder(at(path))
    if (owner) await chown(at(path), attributes.uid, attributes.gid)
    await utimes(at(path), mtimeSeconds(attributes), mtimeSeconds(attributes))
    await chmod(at(path), modeOf(attributes, owner))
  }

  function at(path: string): string | Buffer {
    return fsPath(path === '' ? root : `${root}/${path}`)
  }

  function guarded<T>(path: string, operation: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    return named(path, operation)
  }
}
