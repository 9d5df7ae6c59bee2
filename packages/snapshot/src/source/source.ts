import type { Clock } from '@holdfast/core'
import type { Attributes } from '../format/tree.ts'
import type { Listing } from './listing.ts'

/** Where a snapshot is taken from. Inert until a backup opens it. */
export interface Source {
  /** What it is, for `Snapshot.kind`: `directory`, `leveldb`, `stream`. */
  readonly kind: string
  /** For messages: `the folder /var/lib/agent`. */
  readonly description: string
  /** Fixes what it can of the source's state. Rejects with SOURCE_UNREADABLE or SOURCE_UNSTABLE. */
  open(options: SourceOptions): Promise<OpenSource>
}

export interface SourceOptions {
  signal?: AbortSignal | undefined
  clock: Clock
  /**
   * Reads a folder in another thread. Resolves to undefined where that is not worth it, or did not go
   * smoothly: then read it yourself, and tell what is wrong.
   */
  listFolder?: (path: string) => Promise<Listing | undefined>
}

export interface OpenSource {
  readonly root: SourceFolder
  /** All that there is to read, where it is known, in bytes. */
  readonly totalBytes?: number
  /** Nothing of it may be missing: what cannot be read fails the backup instead of making it `partial`. @default false */
  readonly indivisible?: boolean
  /** Aborts, with an error, when what was fixed is no longer so; the backup fails with that. */
  readonly lost?: AbortSignal
  /** Gives back what it holds. Called exactly once, after a failure too. */
  close(): Promise<void>
}

export interface SourceFolder {
  readonly attributes: Attributes
  /** What is in it, in the same order each time. */
  entries(): Promise<readonly SourceEntry[]>
}

export type SourceEntry =
  | ({ readonly type: 'folder'; readonly name: string } & SourceFolder)
  | {
      readonly type: 'file'
      readonly name: string
      readonly attributes: FileAttributes
      /** Where it is, if another thread of this process may read it there just as `open` would. */
      readonly path?: string
      open(): Promise<SourceFile>
    }
  | {
      readonly type: 'symlink'
      readonly name: string
      readonly attributes: Attributes
      readonly target: string
    }
  | { readonly type: 'special'; readonly name: string; readonly attributes: Attributes }
  | { readonly type: 'unreadable'; readonly name: string; readonly error: unknown }

export interface FileAttributes extends Attributes {
  /** In bytes. */
  readonly size: number
  /** Together with size and mtime they tell a file that has not changed since the last snapshot. */
  readonly ctimeNs?: string
  readonly inode?: string
  /** The same for all names of one file with several. */
  readonly link?: string
  readonly sparse?: true
}

export interface SourceFile {
  /** As of the opening. */
  readonly attributes: FileAttributes
  /** Fills `into` from where the last read ended; 0 at the end. */
  read(into: Uint8Array): Promise<number>
  /** Whether it is another file now, or other bytes, than it was when it was opened. */
  changed(): Promise<boolean>
  close(): Promise<void>
}

/** What a source of our own making says of owner and mode. */
export function plainAttributes(timeMs: number, mode: number): Attributes {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  return { mode, uid, gid, mtimeNs: (BigInt(Math.trunc(timeMs)) * 1_000_000n).toString() }
}
