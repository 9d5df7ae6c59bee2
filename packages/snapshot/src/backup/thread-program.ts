import { closeSync, fstatSync, lstatSync, openSync, readSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { compressSync } from '../chunks/codec.ts'
import { fsPath } from '../format/names.ts'
import { createChunkId } from '../keys/keys.ts'
import { fileAttributes, hasChanged, openFlags } from '../source/file-stat.ts'
import type { FileAttributes } from '../source/source.ts'

// A thread of `small-files.ts`. It reads with calls that wait, which cost a tenth of the others.

export interface ThreadData {
  readonly idKey: Uint8Array | undefined
  /** Of the files that it reads, in bytes. */
  readonly maxBytes: number
}

export type Request =
  | { readonly batch: number; readonly paths: readonly string[] }
  /** Which files of a batch to compress, by their place in it; the others are let go of. */
  | { readonly batch: number; readonly wanted: readonly number[] }

/** A file as it was read, or undefined where it is better read by who can tell what is wrong. */
export type ReadFile =
  | { readonly attributes: FileAttributes; readonly size: number; readonly id: string }
  | undefined

/** Few large values go from thread to thread much faster than many small ones: files are in JSON, compressed chunks in a row. */
export type Answer = { readonly batch: number; readonly files: string } | CompressedBatch

export interface CompressedBatch {
  readonly batch: number
  readonly bytes: Uint8Array
  readonly chunks: readonly { readonly codec: number; readonly length: number }[]
}

const { idKey, maxBytes } = workerData as ThreadData
const chunkId = createChunkId(idKey)
const held = new Map<number, readonly (Uint8Array | undefined)[]>()

parentPort?.on('message', (request: Request) => {
  if ('paths' in request) read(request.batch, request.paths)
  else compress(request.batch, request.wanted)
})

function read(batch: number, paths: readonly string[]): void {
  const contents: (Uint8Array | undefined)[] = []
  const files = paths.map((path, at): ReadFile | null => {
    const found = readWhole(path)
    if (!found) return null // For JSON.
    contents[at] = found.content
    return { attributes: found.attributes, size: found.content.length, id: chunkId(found.content) }
  })
  held.set(batch, contents)
  answer({ batch, files: JSON.stringify(files) })
}

function compress(batch: number, wanted: readonly number[]): void {
  const contents = held.get(batch) ?? []
  held.delete(batch)
  const compressed = wanted.map((at) => compressSync(contents[at]!))
  const bytes = inRow(compressed.map((chunk) => chunk.bytes))
  const chunks = compressed.map(({ codec, bytes: { length } }) => ({ codec, length }))
  answer({ batch, bytes, chunks }, [bytes.buffer])
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

function answer(message: Answer, transfer: readonly ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer)
}

/** A file of at most `maxBytes` that stood still while it was read. */
function readWhole(path: string): { content: Uint8Array; attributes: FileAttributes } | undefined {
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
