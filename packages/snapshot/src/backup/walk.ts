import { isHoldfastError } from '@holdfast/core'
import type { ChunkSink } from '../chunks/chunk-sink.ts'
import { splitFile } from '../chunks/split.ts'
import { type Context, maxTreeBytes } from '../context.ts'
import { atPath, systemCode } from '../errors.ts'
import { type Attributes, decodeTree, encodeTree, type FileEntry, type TreeEntry } from '../format/tree.ts'
import { createLanes, type Lanes } from '../lanes.ts'
import type { Meter } from '../progress.ts'
import { unreadable } from '../source/directory.ts'
import type { FileAttributes, SourceEntry, SourceFolder } from '../source/source.ts'
import type { FolderLister } from './folder-lister.ts'
import { isDamage, type KnownChunks } from './known.ts'
import type { SmallFiles } from './small-files.ts'

const readsPerFile = 3
const foldersAtOnce = 4
const filesAtOnce = 4
const smallFilesAtOnce = 512
const listedPaths = 1_000
/** A file system's clock is coarse: what was changed this shortly before a scan may have changed again unseen. In milliseconds. */
const racyMs = 2_000

export interface WalkParts {
  readonly context: Context
  readonly known: KnownChunks
  readonly sink: ChunkSink
  readonly smallFiles: SmallFiles
  readonly lister: FolderLister
  readonly meter: Meter
  /** What cannot be read fails the backup. */
  readonly indivisible: boolean
  readonly signal: AbortSignal | undefined
}

export interface Walk {
  /** Stores a folder and all below it; resolves to its tree's id. */
  folder(at: SourceFolder, path: string, before: string | undefined): Promise<string>
  readonly findings: Findings
}

/** What a walk has come upon so far. */
export interface Findings {
  files: number
  folders: number
  /** Of all files. */
  bytes: number
  inconsistent: number
  unreadable: number
  unchangedFiles: number
  readonly inconsistentPaths: string[]
  readonly unreadablePaths: { path: string; reason: string }[]
}

/** Reads folders into trees, their files into chunks, and counts what it finds. */
export function createWalk({
  context,
  known,
  sink,
  smallFiles,
  lister,
  meter,
  indivisible,
  signal,
}: WalkParts): Walk {
  const counts = { files: 0, folders: 0, bytes: 0, inconsistent: 0, unreadable: 0, unchangedFiles: 0 }
  const findings: Findings = { ...counts, inconsistentPaths: [], unreadablePaths: [] }
  let openFolders = 0
  const settledBeforeNs = BigInt((known.parent?.timeMs ?? 0) - racyMs) * 1_000_000n
  return { folder, findings }

  async function folder(at: SourceFolder, path: string, before: string | undefined): Promise<string> {
    signal?.throwIfAborted()
    findings.folders += 1
    const entries = await at.entries()
    lister.saw(entries.length)
    const old = await entriesBefore(before)
    const stored = new Array<TreeEntry | undefined>(entries.length)
    const files = createLanes(filesAtOnce)
    const small = createLanes(smallFilesAtOnce)
    const folders = createLanes(foldersAtOnce)
    const idle = [files.idle, small.idle, folders.idle]
    try {
      for (const [index, entry] of entries.entries()) {
        const was = old.get(entry.name)
        if (entry.type === 'file' && isUnchanged(entry.attributes, was)) {
          stored[index] = counted(keep(entry, was))
          continue
        }
        const entryPath = path === '' ? entry.name : `${path}/${entry.name}`
        const store = async (): Promise<void> => {
          stored[index] = await orUnreadable(entryPath, () => storeEntry(entry, entryPath, was))
        }
        if (entry.type === 'folder') await beginFolder(folders, store)
        else await (isSmall(entry) ? small : files).begin(store)
      }
      await Promise.all(idle.map((ended) => ended()))
    } finally {
      await Promise.allSettled(idle.map((ended) => ended()))
    }
    return sink.store(encodeTree(stored.filter((entry) => entry !== undefined)))
  }

  /** Goes on with a few folders at a time, however deep: while one is read to its end the next has begun. */
  async function beginFolder(lanes: Lanes, store: () => Promise<void>): Promise<void> {
    if (openFolders >= foldersAtOnce) return store()
    openFolders += 1
    await lanes.begin(async () => {
      try {
        await store()
      } finally {
        openFolders -= 1
      }
    })
  }

  async function storeEntry(
    entry: SourceEntry,
    path: string,
    was: TreeEntry | undefined,
  ): Promise<TreeEntry> {
    if (entry.type === 'unreadable') throw entry.error
    const common = { name: entry.name, ...attributesOf(entry.attributes) }
    if (entry.type === 'symlink') return { type: 'symlink', ...common, target: entry.target }
    if (entry.type === 'special') return { type: 'special', ...common }
    if (entry.type === 'folder') {
      const tree = await folder(entry, path, was?.type === 'folder' ? was.tree : undefined)
      return { type: 'folder', ...common, tree }
    }
    return counted((await smallContent(entry)) ?? (await content(entry, path)))
  }

  function counted(file: FileEntry): FileEntry {
    findings.files += 1
    findings.bytes += file.size
    meter.addFile()
    return file
  }

  /** Whether the file is for certain what it was at the last snapshot, and its chunks are still to be had. */
  function isUnchanged(now: FileAttributes, was: TreeEntry | undefined): was is FileEntry {
    if (was?.type !== 'file' || was.inconsistent || now.ctimeNs === undefined) return false
    const { size, mtimeNs, ctimeNs, inode } = now
    const same =
      was.size === size && was.mtimeNs === mtimeNs && was.ctimeNs === ctimeNs && was.inode === inode
    const settled = BigInt(mtimeNs) < settledBeforeNs && BigInt(ctimeNs) < settledBeforeNs
    return same && settled && was.chunks.every((id) => known.use(id))
  }

  function keep({ name, attributes }: SourceEntry & { type: 'file' }, { chunks }: FileEntry): FileEntry {
    findings.unchangedFiles += 1
    meter.addBytes(attributes.size)
    return { type: 'file', name, ...attributes, chunks }
  }

  function isSmall(entry: SourceEntry): boolean {
    return entry.type === 'file' && entry.path !== undefined && entry.attributes.size <= smallFiles.maxBytes
  }

  async function smallContent(entry: SourceEntry & { type: 'file' }): Promise<FileEntry | undefined> {
    if (entry.path === undefined || !isSmall(entry)) return undefined
    const stored = await smallFiles.store(entry.path, entry.attributes.size)
    signal?.throwIfAborted()
    if (!stored) return undefined
    meter.addBytes(stored.size)
    const { attributes, size, chunks } = stored
    return { type: 'file', name: entry.name, ...attributes, size, chunks }
  }

  /** Reads a file until it stood still meanwhile; after the third time it is `inconsistent`. */
  async function content(entry: SourceEntry & { type: 'file' }, path: string): Promise<FileEntry> {
    for (let read = 1; ; read += 1) {
      const { changed, ...file } = await readOnce(entry)
      if (!changed) return file
      if (read < readsPerFile) continue
      findings.inconsistent += 1
      if (findings.inconsistentPaths.length < listedPaths) findings.inconsistentPaths.push(path)
      return { ...file, inconsistent: true }
    }
  }

  async function readOnce({ name, open }: SourceEntry & { type: 'file' }) {
    const file = await open()
    try {
      const chunks: string[] = []
      const keepChunk = async (chunk: Uint8Array): Promise<void> => void chunks.push(await sink.store(chunk))
      const size = await splitFile(file, context, keepChunk, (bytes) => {
        signal?.throwIfAborted()
        meter.addBytes(bytes)
      })
      const changed = await file.changed()
      return { type: 'file' as const, name, ...file.attributes, size, chunks, changed }
    } finally {
      await file.close()
    }
  }

  /** The folder's entries at the last snapshot; none where they cannot be read, which only costs reading files again. */
  async function entriesBefore(tree: string | undefined): Promise<Map<string, TreeEntry>> {
    if (tree === undefined || !known.has(tree)) return new Map()
    try {
      const entries = decodeTree(await known.reader.read(tree, maxTreeBytes, signal))
      return new Map(entries.map((entry) => [entry.name, entry]))
    } catch (error) {
      if (isDamage(error)) return new Map()
      throw error
    }
  }

  /** Takes note of what the source cannot give; every other failure ends the backup. */
  async function orUnreadable(
    path: string,
    operation: () => Promise<TreeEntry>,
  ): Promise<TreeEntry | undefined> {
    try {
      return await operation()
    } catch (error) {
      signal?.throwIfAborted()
      const reason = sourceProblem(error)
      if (reason === undefined) throw atPath(error, path)
      if (indivisible) throw isHoldfastError(error) ? error : unreadable(path, error)
      findings.unreadable += 1
      if (findings.unreadablePaths.length < listedPaths) findings.unreadablePaths.push({ path, reason })
      return undefined
    }
  }
}

/** What is wrong with the source, told by its code; undefined for an error that is not of the source. */
function sourceProblem(error: unknown): string | undefined {
  if (isHoldfastError(error, 'SOURCE_UNREADABLE')) return systemCode(error.cause) ?? error.message
  return isHoldfastError(error) || error instanceof TypeError || error instanceof RangeError
    ? undefined
    : systemCode(error)
}

export function attributesOf({ mode, uid, gid, mtimeNs }: Attributes): Attributes {
  return { mode, uid, gid, mtimeNs }
}
