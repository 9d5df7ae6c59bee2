import { closeSync, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { type Compression, compressSync } from '../chunks/codec.ts'
import { fsPath } from '../format/names.ts'
import { fileAttributes, hasChanged, openFlags } from '../source/file-stat.ts'
import type { FileAttributes } from '../source/source.ts'
import type { CompressedBatch, Order } from './program.ts'
import type { StopFlag } from './stop-flag.ts'

/** A file as it was read, or null where it is better read by who can tell what is wrong. */
export type ReadFile = {
  readonly attributes: FileAttributes
  readonly size: number
  readonly id: string
} | null

/** JSON of a `ReadFile` for each path. */
export type ReadAnswer = string

/** What was read and is to be compressed or let go of next. */
const held = new Map<number, readonly (Uint8Array | undefined)[]>()

export function readFiles(
  { batch, paths }: Extract<Order, { kind: 'read' }>,
  maxBytes: number,
  chunkId: (content: Uint8Array) => string,
  flag: StopFlag,
): ReadAnswer {
  const contents: (Uint8Array | undefined)[] = []
  const files = paths.map((path, at): ReadFile => {
    flag.throwIfStopped()
    const found = readWhole(path, maxBytes)
    if (!found) return null
    contents[at] = found.content
    return { attributes: found.attributes, size: found.content.length, id: chunkId(found.content) }
  })
  held.set(batch, contents)
  return JSON.stringify(files)
}

export function compressRead(
  { batch, wanted }: Extract<Order, { kind: 'compress' }>,
  compression: Compression,
  flag: StopFlag,
): CompressedBatch {
  const contents = held.get(batch) ?? []
  held.delete(batch)
  const compressed = wanted.map((at) => {
    flag.throwIfStopped()
    return compressSync(compression, contents[at]!)
  })
  const chunks = compressed.map(({ codec, bytes: { length } }) => ({ codec, length }))
  return { bytes: inRow(compressed.map(({ bytes }) => bytes)), chunks }
}

function inRow(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const row = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let end = 0
  for (const part of parts) {
    row.set(part, end)
    end += part.length
  }
  return row
}

/** A file of at most `maxBytes` that stood still while it was read. */
function readWhole(
  path: string,
  maxBytes: number,
): { content: Uint8Array; attributes: FileAttributes } | undefined {
  try {
    const file = openSync(fsPath(path), openFlags)
    try {
      const before = fstatSync(file, { bigint: true })
      if (!before.isFile() || before.size > maxBytes) return undefined
      const content = readToEnd(file, Number(before.size))
      const named = lstatSync(fsPath(path), { bigint: true, throwIfNoEntry: false })
      if (!content || hasChanged(before, fstatSync(file, { bigint: true }), named)) return undefined
      return { content, attributes: fileAttributes(before) }
    } finally {
      closeSync(file)
    }
  } catch {
    return undefined // It is read again, by who tells of it.
  }
}

/** As many bytes as there should be, or undefined where there are more or less. */
function readToEnd(file: number, size: number): Uint8Array | undefined {
  const buffer = Buffer.allocUnsafeSlow(size + 1)
  let end = 0
  for (let count = -1; count !== 0 && end < buffer.length; end += count)
    count = readSync(file, buffer, end, buffer.length - end, null)
  return end === size ? buffer.subarray(0, size) : undefined
}
