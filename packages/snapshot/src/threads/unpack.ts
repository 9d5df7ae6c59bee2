import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  futimesSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { decompressSync } from '../chunks/codec.ts'
import { solidRanges } from '../chunks/holes.ts'
import { fsPath } from '../format/names.ts'
import { chunkLabel, type PackEntry } from '../format/pack.ts'
import { createPackCipher, type PackCipher } from '../keys/keys.ts'
import type { StopFlag } from './stop-flag.ts'

/** A chunk to check, and where its content is to be written. */
export interface UnpackItem {
  /** `offset` is its place in the order's bytes. None for an empty file. */
  readonly chunk?: PackEntry
  /** Of each use: null where the chunk is only to be checked. */
  readonly writes: readonly (WriteOrder | null)[]
}

export type WriteOrder = WholeOrder | PartOrder

/** A new file of which the chunk is all. */
export interface WholeOrder {
  readonly path: string
  /** In bytes: with content of another length nothing is written. */
  readonly size: number
  readonly mode: number
  readonly mtimeSeconds: number
  readonly owner?: readonly [uid: number, gid: number]
}

/** A part of a file that is there. */
export interface PartOrder {
  readonly path: string
  readonly position: number
  /** Whether to leave out whole blocks of zeros. */
  readonly sparse: boolean
}

export interface UnpackOrder {
  readonly kind: 'unpack'
  /** Of the pack. */
  readonly key: Uint8Array | undefined
  /** JSON of an `UnpackItem` for each chunk. */
  readonly items: string
  /** The part of the pack that holds them. */
  readonly bytes: Uint8Array
}

/** Tells with a 1 for each use of each chunk, in order, whether it went well. Of a whole file of which it did not, nothing is left. */
export function unpack(
  { key, items, bytes }: UnpackOrder,
  chunkId: (content: Uint8Array) => string,
  flag: StopFlag,
): Uint8Array {
  const cipher = createPackCipher(key)
  const done = (JSON.parse(items) as UnpackItem[]).flatMap(({ chunk, writes }) => {
    flag.throwIfStopped()
    const content = succeeded(() => (chunk ? open(chunk, bytes, cipher, chunkId) : new Uint8Array()))
    return writes.map((order) => (content && succeeded(() => write(order, content)) ? 1 : 0))
  })
  return Uint8Array.from(done)
}

function succeeded<T>(operation: () => T): T | undefined {
  try {
    return operation()
  } catch {
    return undefined // It is done again, by who tells of it.
  }
}

function open(
  chunk: PackEntry,
  bytes: Uint8Array,
  cipher: PackCipher,
  chunkId: (content: Uint8Array) => string,
): Uint8Array {
  const stored = bytes.subarray(chunk.offset, chunk.offset + chunk.storedLength)
  const sealed = cipher.decrypt(chunk.ordinal, chunkLabel(chunk), stored)
  const content = decompressSync(chunk.codec, sealed, chunk.length)
  if (content.length === chunk.length && chunkId(content) === chunk.id) return content
  throw new RangeError('the content is not what the id says')
}

function write(order: WriteOrder | null, content: Uint8Array): true {
  if (order && 'position' in order) writePart(order, content)
  else if (order) writeWhole(order, content)
  return true
}

function writeWhole({ path, size, mode, mtimeSeconds, owner }: WholeOrder, content: Uint8Array): void {
  if (content.length !== size) throw new RangeError(`${content.length} bytes are no content of ${size}`)
  const file = openSync(fsPath(path), 'wx', 0o600)
  try {
    writeRange(file, content, 0, content.length, 0)
    if (owner) fchownSync(file, ...(owner as [number, number]))
    fchmodSync(file, mode)
    futimesSync(file, mtimeSeconds, mtimeSeconds)
  } catch (error) {
    unlinkSync(fsPath(path))
    throw error
  } finally {
    closeSync(file)
  }
}

function writePart({ path, position, sparse }: PartOrder, content: Uint8Array): void {
  const file = openSync(fsPath(path), constants.O_WRONLY | constants.O_NOFOLLOW)
  try {
    for (const [from, to] of sparse ? solidRanges(content) : [[0, content.length] as const])
      writeRange(file, content, from, to, position)
  } finally {
    closeSync(file)
  }
}

function writeRange(file: number, content: Uint8Array, from: number, to: number, position: number): void {
  for (let done = from; done < to; ) done += writeSync(file, content, done, to - done, position + done)
}
