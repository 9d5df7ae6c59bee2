import {
  chmod,
  chown,
  type FileHandle,
  link,
  lstat,
  lutimes,
  mkdir,
  open,
  readdir,
  rename,
  rm,
  symlink,
  utimes,
} from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { checkString, isHoldfastError } from '@holdfast/core'
import type { ChunkReader } from '../chunks/chunk-reader.ts'
import { createUnpacker, type Unpacker } from '../chunks/unpacker.ts'
import { type Context, openChunks } from '../context.ts'
import { canSyncFilesystem, makeFolder, syncFilesystem, syncFolder, uniqueId } from '../durable.ts'
import { atPath, snapshotError, systemCode } from '../errors.ts'
import { bytesOfName, fsPath } from '../format/names.ts'
import type { Attributes, FileEntry, SymlinkEntry } from '../format/tree.ts'
import { createLanes } from '../lanes.ts'
import { createMeter, type Meter } from '../progress.ts'
import type { OperationOptions } from '../snapshot.ts'
import { walkSnapshot } from '../walk-snapshot.ts'
import { createSeed, noSeed, type Seed, type SeedFile } from './seed.ts'

export interface RestoreOptions extends OperationOptions {
  /** Paths in the snapshot, such as `config/agent.yaml`; a folder's takes all below it. Everything by default. */
  include?: readonly string[]
  /** What to do where the target is there and not empty: refuse with TARGET_EXISTS, or put the restored folder in its place. @default 'never' */
  overwrite?: 'never' | 'replace'
  /** Gives files their former owners and set-id bits; needs root. @default false */
  owner?: boolean
  /** Whether all of it survives a power cut when the call resolves. @default true */
  fsync?: boolean
}

export interface RestoreResult {
  /** Where it is now. */
  readonly target: string
  readonly files: number
  readonly folders: number
  readonly restoredBytes: number
  /** Of them, what was found in the replaced target, checked like all else, and not read from the store. */
  readonly reusedBytes: number
  /** FIFOs, sockets and devices, which are never made again; up to a thousand. */
  readonly skippedPaths: readonly string[]
  readonly durationMs: number
}

const filesAtOnce = 8
const smallFilesAtOnce = 512
/** For so few files an fsync of each costs less than one of all that the file system has to write. */
const leastFilesTogether = 64
const smallFileBytes = 256 << 10
const listedPaths = 1_000
const blockBytes = 4_096

/**
 * Writes a snapshot into a new folder beside the target and renames that when all of it is there.
 *
 * After any failure the target is what it was.
 */
export async function restore(
  context: Context,
  hex: string,
  target: string,
  options: RestoreOptions = {},
): Promise<RestoreResult> {
  const { clock, objects } = context
  const begun = clock.now()
  const goal = resolve(checkString('target', target))
  const occupied = await checkTarget(goal, options.overwrite ?? 'never')
  const record = await objects.record(hex, options.signal)
  const { reader, index } = await openChunks(
    context,
    await objects.manifest(hex, options.signal),
    options.signal,
  )
  const seed = occupied ? createSeed(goal, index, context.keys) : noSeed
  const unpacker = createUnpacker(context, reader, options.signal)
  const meter = createMeter(options, clock, 'write', options.include ? undefined : record.bytes)
  const sibling = `${goal}.restore-${uniqueId()}`
  try {
    await atTarget(goal, () => makeFolder(dirname(goal)))
    await atTarget(goal, () => mkdir(sibling, { mode: 0o700 }))
    const fsync = options.fsync ?? true
    // Asked beforehand: not all that was written can be opened again for an fsync of its own.
    const together = fsync && record.files >= leastFilesTogether && (await canSyncFilesystem())
    const given = { ...options, fsync: fsync && !together }
    const maxChunkBytes = context.format.chunker.maxBytes
    const writer = createWriter(sibling, { reader, unpacker, seed, meter, maxChunkBytes }, given)
    const skippedPaths = await fill(writer, reader, record.root, options)
    meter.phase('commit')
    if (together && !(await syncFilesystem(sibling)))
      throw snapshotError('TARGET_FAILED', `could not sync the file system of ${goal}`, {
        fields: { path: goal },
      })
    await atTarget(goal, () => swap(sibling, goal))
    meter.end()
    const { files, bytes: restoredBytes } = meter
    return {
      target: goal,
      files,
      folders: writer.folders(),
      restoredBytes,
      reusedBytes: seed.reusedBytes,
      skippedPaths,
      durationMs: clock.now() - begun,
    }
  } catch (error) {
    await unpacker.close()
    await rm(sibling, { recursive: true, force: true })
    throw error
  } finally {
    await unpacker.close()
  }
}

/** Folders and files as they come; then links, which thereby can lead no file astray; then what folders have, from the inside out. */
async function fill(
  writer: Writer,
  reader: ChunkReader,
  root: Attributes & { tree: string },
  { include, signal }: RestoreOptions,
): Promise<string[]> {
  const wanted = selection(include)
  const skipped: string[] = []
  const later: (() => Promise<void>)[] = []
  const firstOfLink = new Map<string, string>()
  const folders: { path: string; entry: Attributes }[] = []
  const lanes = createLanes(filesAtOnce)
  const small = createLanes(smallFilesAtOnce)
  try {
    for await (const { path, entry } of walkSnapshot(reader, root, { signal, enter: wanted.below })) {
      if (entry.type === 'folder' ? !wanted.below(path) : !wanted.has(path)) continue
      if (entry.type === 'folder') {
        await writer.folder(path)
        folders.push({ path, entry })
      } else if (entry.type === 'special') {
        if (skipped.length < listedPaths) skipped.push(path)
      } else if (entry.type === 'symlink') later.push(() => writer.symlink(path, entry))
      else {
        const first = entry.link === undefined ? undefined : firstOfLink.get(entry.link)
        if (entry.link !== undefined && !first) firstOfLink.set(entry.link, path)
        if (first) later.push(() => writer.link(first, path))
        else await (isSmall(entry) ? small : lanes).begin(() => writer.file(path, entry))
      }
    }
    await Promise.all([lanes.idle(), small.idle()])
  } finally {
    await Promise.allSettled([lanes.idle(), small.idle()])
  }
  for (const act of later) await act()
  for (const { path, entry } of folders.reverse()) await writer.finishFolder(path, entry)
  await writer.finishFolder('', root)
  return skipped
}

interface Writer {
  folder(path: string): Promise<void>
  file(path: string, entry: FileEntry): Promise<void>
  symlink(path: string, entry: SymlinkEntry): Promise<void>
  link(existing: string, path: string): Promise<void>
  finishFolder(path: string, attributes: Attributes): Promise<void>
  folders(): number
}

interface WriterParts {
  readonly reader: ChunkReader
  readonly unpacker: Unpacker
  readonly seed: Seed
  readonly meter: Meter
  readonly maxChunkBytes: number
}

function createWriter(
  root: string,
  { reader, unpacker, seed, meter, maxChunkBytes }: WriterParts,
  { signal, owner = false, fsync = true }: RestoreOptions,
): Writer {
  let folders = 1
  const at = (path: string): string | Buffer => fsPath(path === '' ? root : `${root}/${path}`)
  return {
    folders: () => folders,
    folder: (path) =>
      named(path, async () => {
        await mkdir(at(path), { mode: 0o700 })
        folders += 1
      }),
    file: (path, entry) =>
      named(path, async () => {
        if (await unpacked(path, entry)) return
        const file = await open(at(path), 'wx', 0o600)
        try {
          await writeContent(file, path, entry)
          if (owner) await file.chown(entry.uid, entry.gid)
          await file.chmod(modeOf(entry))
          await file.utimes(seconds(entry), seconds(entry))
          if (fsync) await file.sync()
        } finally {
          await file.close()
        }
        meter.addFile()
      }),
    symlink: (path, entry) =>
      named(path, async () => {
        await symlink(fsPath(entry.target), at(path))
        await lutimes(at(path), seconds(entry), seconds(entry))
      }),
    link: (existing, path) =>
      named(path, async () => {
        await link(at(existing), at(path))
        meter.addFile()
      }),
    finishFolder: (path, attributes) =>
      named(path, async () => {
        if (fsync) await syncFolder(at(path) as string)
        if (owner) await chown(at(path), attributes.uid, attributes.gid)
        await utimes(at(path), seconds(attributes), seconds(attributes))
        await chmod(at(path), modeOf(attributes))
      }),
  }

  /** Lets a thread write a small file of which nothing is there yet; false where it must be written here. */
  async function unpacked(path: string, entry: FileEntry): Promise<boolean> {
    if (!isSmall(entry) || fsync || seed !== noSeed) return false
    const owned = owner ? { owner: [entry.uid, entry.gid] as const } : {}
    const order = { path: `${root}/${path}`, mode: modeOf(entry), mtimeSeconds: seconds(entry), ...owned }
    if (!(await unpacker.write(entry.chunks[0], { ...order, size: entry.size }))) return false
    meter.addBytes(entry.size)
    meter.addFile()
    return true
  }

  async function writeContent(file: FileHandle, path: string, entry: FileEntry): Promise<void> {
    const before = await seed.open(path, entry.size)
    try {
      await writeChunks(file, entry, before)
    } finally {
      await before?.close()
    }
  }

  /** Each chunk is checked before it is written. Nothing is written where the file has a hole. */
  async function writeChunks(
    file: FileHandle,
    { chunks, size, sparse }: FileEntry,
    before: SeedFile | undefined,
  ): Promise<void> {
    let position = 0
    for (const id of chunks) {
      const bytes = (await before?.find(id, position)) ?? (await reader.read(id, maxChunkBytes, signal))
      if (position + bytes.length > size) break
      for (const [from, to] of sparse ? solidRanges(bytes) : [[0, bytes.length] as const])
        for (let done = from; done < to; )
          done += (await file.write(bytes, done, to - done, position + done)).bytesWritten
      position += bytes.length
      meter.addBytes(bytes.length)
    }
    if (position !== size) throw snapshotError('SNAPSHOT_REFUSED', `its chunks are not of ${size} bytes`)
    if (sparse) await file.truncate(size)
  }

  async function named<T>(path: string, operation: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    try {
      return await operation()
    } catch (error) {
      throw isHoldfastError(error) ? atPath(error, path) : targetError(path, error)
    }
  }

  function modeOf({ mode }: Attributes): number {
    return owner ? mode : mode & 0o1777
  }
}

/** Whether a file is of one chunk at most that is likely a small one. */
function isSmall({ size, chunks, sparse }: FileEntry): boolean {
  return chunks.length <= 1 && size <= smallFileBytes && !sparse
}

/** The parts of a buffer that are not whole blocks of zeros. */
export function solidRanges(bytes: Uint8Array): [from: number, to: number][] {
  const ranges: [number, number][] = []
  const zeros = Buffer.alloc(blockBytes)
  for (let from = 0; from < bytes.length; from += blockBytes) {
    const to = Math.min(from + blockBytes, bytes.length)
    if (zeros.compare(bytes, from, to, 0, to - from) === 0) continue
    const last = ranges.at(-1)
    if (last && last[1] === from) last[1] = to
    else ranges.push([from, to])
  }
  return ranges
}

interface Selection {
  has(path: string): boolean
  /** Whether something below a folder may be wanted. */
  below(folder: string): boolean
}

function selection(include: readonly string[] | undefined): Selection {
  if (!include) return { has: () => true, below: () => true }
  const wanted = include.map((path) => checkString('include', path).replace(/^\.?\/+|\/+$/g, ''))
  const has = (path: string): boolean => wanted.some((one) => path === one || path.startsWith(`${one}/`))
  return { has, below: (folder) => has(folder) || wanted.some((one) => one.startsWith(`${folder}/`)) }
}

/** Refuses a target that may not be replaced; resolves to whether anything is there. */
async function checkTarget(goal: string, overwrite: 'never' | 'replace'): Promise<boolean> {
  const names = await readdir(goal).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return []
    if (systemCode(error) === 'ENOTDIR') return [goal]
    throw targetError(goal, error)
  })
  if (names.length === 0) return false
  if (overwrite === 'replace') return true
  throw snapshotError(
    'TARGET_EXISTS',
    `${goal} is there and not empty: choose another target, or overwrite: 'replace'`,
    {
      fields: { path: goal },
    },
  )
}

/** Puts the new folder in the goal's place. Between the two renames there is none; what was there is deleted last. */
async function swap(sibling: string, goal: string): Promise<void> {
  const parent = dirname(goal)
  const old = `${goal}.old-${uniqueId()}`
  const replaces = await lstat(goal).then(
    () => true,
    (error: unknown) => {
      if (systemCode(error) === 'ENOENT') return false
      throw error
    },
  )
  if (replaces) await rename(goal, old)
  try {
    await rename(sibling, goal)
  } catch (error) {
    if (replaces) await rename(old, goal)
    throw error
  }
  await syncFolder(parent)
  if (replaces) await rm(old, { recursive: true, force: true })
}

async function atTarget<T>(goal: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw targetError(goal, error)
  }
}

function targetError(path: string, cause: unknown): unknown {
  if (systemCode(cause) === undefined || isHoldfastError(cause)) return cause
  const reason = systemCode(cause) === 'ENOSPC' ? 'the disk is full' : (cause as Error).message
  return snapshotError('TARGET_FAILED', `could not restore ${bytesOfName(path).toString()}: ${reason}`, {
    cause,
    fields: { path },
  })
}

/** For `utimes`, which cuts a double to microseconds: half of one more keeps the last digit right. */
function seconds({ mtimeNs }: Attributes): number {
  return (Number(BigInt(mtimeNs) / 1_000n) + 0.5) / 1e6
}
