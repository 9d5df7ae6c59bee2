import { snapshotError } from '../errors.ts'
import { isSafeName } from './names.ts'

/** What a file or folder has besides its content. */
export interface Attributes {
  /** Permission bits, set-id bits included, below 0o10000. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** In nanoseconds since the Unix epoch, in decimal: a number would lose the last digits. */
  readonly mtimeNs: string
}

export interface FileEntry extends Attributes {
  readonly type: 'file'
  readonly name: string
  /** In bytes. */
  readonly size: number
  /** Ids of its content's chunks, in order. */
  readonly chunks: readonly string[]
  /** What tells, on the host that it is from, whether it changed since. */
  readonly ctimeNs?: string
  readonly inode?: string
  /** The same for all names of one file with several. */
  readonly link?: string
  /** It has holes. */
  readonly sparse?: true
  /** It changed each time that it was read, so its content is of no one moment. */
  readonly inconsistent?: true
}

export interface FolderEntry extends Attributes {
  readonly type: 'folder'
  readonly name: string
  /** Id of the chunk that holds its tree. */
  readonly tree: string
}

export interface SymlinkEntry extends Attributes {
  readonly type: 'symlink'
  readonly name: string
  readonly target: string
}

/** A FIFO, socket or device: noted, never made again. */
export interface SpecialEntry extends Attributes {
  readonly type: 'special'
  readonly name: string
}

export type TreeEntry = FileEntry | FolderEntry | SymlinkEntry | SpecialEntry

const version = 1

/** One folder, as the content of a chunk. Entries of the same folder in the same state give the same bytes. */
export function encodeTree(entries: readonly TreeEntry[]): Uint8Array {
  return Buffer.from(JSON.stringify({ version, entries }))
}

/** Reads a folder and trusts nothing in it: what could lead outside the folder is refused with SNAPSHOT_REFUSED. */
export function decodeTree(bytes: Uint8Array): TreeEntry[] {
  const { version: found, entries } = parseObject(bytes)
  if (found !== version)
    throw snapshotError(
      'REPOSITORY_UNSUPPORTED',
      `a tree is of version ${String(found)}: use a later release`,
    )
  if (!Array.isArray(entries)) throw refused('a tree has no entries')
  const names = new Set<string>()
  for (const entry of entries) {
    checkEntry(entry)
    if (names.has(entry.name)) throw refused(`a tree has two entries ${show(entry.name)}`)
    names.add(entry.name)
  }
  return entries
}

function checkEntry(entry: unknown): asserts entry is TreeEntry {
  if (typeof entry !== 'object' || entry === null) throw refused('a tree has an entry that is none')
  const { name, type, tree, target, chunks, size } = entry as Record<string, unknown>
  if (!isSafeName(name)) throw refused(`a tree has an entry named ${show(name)}`)
  checkAttributes(entry, `entry ${show(name)}`)
  const valid =
    (type === 'file' && isSize(size) && Array.isArray(chunks) && chunks.every(isId)) ||
    (type === 'folder' && isId(tree)) ||
    (type === 'symlink' && typeof target === 'string' && target !== '' && !target.includes('\0')) ||
    type === 'special'
  if (!valid) throw refused(`entry ${show(name)} of a tree makes no sense`)
}

export function checkAttributes(value: unknown, what: string): asserts value is Attributes {
  const { mode, uid, gid, mtimeNs } = (value ?? {}) as Record<string, unknown>
  if (!isSize(mode) || mode > 0o7777) throw refused(`${what} has mode ${show(mode)}`)
  if (!isSize(uid) || !isSize(gid)) throw refused(`${what} has owner ${show(uid)}:${show(gid)}`)
  if (typeof mtimeNs !== 'string' || !/^-?\d{1,21}$/.test(mtimeNs))
    throw refused(`${what} has mtime ${show(mtimeNs)}`)
}

export function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

export function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

/** Reads a JSON object; anything else is refused. */
export function parseObject(bytes: Uint8Array): Record<string, unknown> {
  const value: unknown = parseJson(bytes)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refused('it is no JSON object')
  return value as Record<string, unknown>
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'))
  } catch (cause) {
    throw snapshotError('SNAPSHOT_REFUSED', 'it is no JSON', { cause })
  }
}

export function refused(problem: string): Error {
  return snapshotError('SNAPSHOT_REFUSED', problem)
}

function show(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 120) ?? String(value)
}
