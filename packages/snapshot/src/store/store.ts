/** Part of an object; without `length`, to its end. */
export interface ReadOptions {
  /** In bytes, from 0. @default 0 */
  offset?: number
  /** In bytes; the rest of the object by default. */
  length?: number
  signal?: AbortSignal | undefined
}

export interface WriteOptions {
  /** Writes only where there is no object of this key yet. @default false */
  ifAbsent?: boolean
  signal?: AbortSignal | undefined
}

export interface ObjectStat {
  /** In bytes. */
  readonly size: number
  /** When it was last written, in milliseconds since the Unix epoch, by the store's own clock. */
  readonly modifiedMs: number
}

export interface ListedObject extends ObjectStat {
  readonly key: string
}

/**
 * Where a repository keeps its objects: a flat space of keys such as `blobs/sha256/…`.
 *
 * A key is of the characters `A-Z a-z 0-9 . _ - /`, with no empty segment and
 * none that begins with a dot. Methods may be called at the same time, from
 * several processes too. A failure rejects with STORE_FAILED and its
 * cause, or with STORE_DENIED where the store does not let us.
 * The repository hashes all that it reads, so a store need not.
 */
export interface BlobStore {
  /** For messages: `the folder /backup`. */
  readonly description: string
  /** What it can do beyond the rest; a repository on one that cannot delete never collects. */
  readonly supports: { readonly delete: boolean }
  /** The object's bytes, or the part asked for; undefined where there is none. A part that reaches beyond the end is cut there. */
  get(key: string, options?: ReadOptions): Promise<Uint8Array | undefined>
  /**
   * Writes an object, of these parts in a row; durable when it resolves. Others see
   * all of it or nothing. Resolves to false, with nothing changed, where `ifAbsent`
   * found one: of several such writers exactly one gets true.
   */
  put(key: string, parts: readonly Uint8Array[], options?: WriteOptions): Promise<boolean>
  stat(key: string, options?: { signal?: AbortSignal | undefined }): Promise<ObjectStat | undefined>
  /** Every object whose key begins with `prefix`, in no promised order. What is written or deleted meanwhile may be in it or not. */
  list(prefix: string, options?: { signal?: AbortSignal | undefined }): AsyncIterable<ListedObject>
  /** Deletes an object; fine where there is none. */
  delete(key: string, options?: { signal?: AbortSignal | undefined }): Promise<void>
  /** The time by the clock that `modifiedMs` is told by, in milliseconds since the Unix epoch. */
  now(): Promise<number>
}

const keyPattern = /^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*)(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/

/** Whether this can be an object's key. */
export function isKey(key: string): boolean {
  return typeof key === 'string' && key.length <= 1_024 && keyPattern.test(key)
}

/** Returns the key if it is one, else throws a RangeError: a store must never be led outside. */
export function checkKey(key: string): string {
  if (isKey(key)) return key
  throw new RangeError(
    `key must be of segments of A-Z a-z 0-9 . _ - with slashes between, got ${JSON.stringify(key)}`,
  )
}

/** The part of `bytes` that the options ask for. */
export function sliceOf(bytes: Uint8Array, { offset = 0, length }: ReadOptions): Uint8Array {
  return bytes.subarray(offset, length === undefined ? undefined : offset + length)
}

/** The blob store's methods, for checking one that was passed in. */
export const blobStoreMethods = ['get', 'put', 'stat', 'list', 'delete', 'now'] as const
