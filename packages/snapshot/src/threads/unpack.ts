import { closeSync, fchmodSync, fchownSync, futimesSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { decompressSync } from '../chunks/codec.ts'
import { fsPath } from '../format/names.ts'
import { chunkLabel, type PackEntry } from '../format/pack.ts'
import { createPackCipher, type PackCipher } from '../keys/keys.ts'

/** A chunk to check, and the file to write if its content is one. */
export interface UnpackItem {
  /** None for an empty file. */
  readonly chunk?: Omit<PackEntry, 'offset'> & {
    /** Of the pack's key in the order's keys. */ readonly key: number
  }
  readonly file?: FileOrder
}

export interface FileOrder {
  readonly path: string
  /** In bytes: with content of another length nothing is written. */
  readonly size: number
  readonly mode: number
  readonly mtimeSeconds: number
  readonly owner?: readonly [uid: number, gid: number]
}

export interface UnpackOrder {
  readonly kind: 'unpack'
  readonly keys: readonly (Uint8Array | undefined)[]
  /** JSON of an `UnpackItem` for each. */
  readonly items: string
  /** The chunks as they are stored, in a row. */
  readonly bytes: Uint8Array
}

/** Tells with a 1 for each item whether all of it went well; of what did not, nothing is left. */
export function unpack(
  { keys, items, bytes }: UnpackOrder,
  chunkId: (content: Uint8Array) => string,
): Uint8Array {
  const ciphers = keys.map(createPackCipher)
  let end = 0
  return Uint8Array.from(JSON.parse(items) as UnpackItem[], ({ chunk, file }) => {
    const stored = bytes.subarray(end, end + (chunk?.storedLength ?? 0))
    end += stored.length
    try {
      const content = chunk ? open(chunk, stored, ciphers[chunk.key]!) : new Uint8Array()
      if (chunk && chunkId(content) !== chunk.id) return 0
      if (file) write(file, content)
      return 1
    } catch {
      return 0 // It is done again, by who tells of it.
    }
  })
}

function open(chunk: NonNullable<UnpackItem['chunk']>, stored: Uint8Array, cipher: PackCipher): Uint8Array {
  const sealed = cipher.decrypt(chunk.ordinal, chunkLabel(chunk), stored)
  const content = decompressSync(chunk.codec, sealed, chunk.length)
  if (content.length === chunk.length) return content
  throw new RangeError(`the content has ${content.length} bytes instead of ${chunk.length}`)
}

function write({ path, size, mode, mtimeSeconds, owner }: FileOrder, content: Uint8Array): void {
  if (content.length !== size) throw new RangeError(`${content.length} bytes are no content of ${size}`)
  const file = openSync(fsPath(path), 'wx', 0o600)
  try {
    for (let done = 0; done < content.length; ) done += writeSync(file, content, done, content.length - done)
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
