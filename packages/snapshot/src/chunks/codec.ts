import { checkOneOf } from '@holdfast/core'
import { snapshotError } from '../errors.ts'
import { brotli } from './brotli.ts'
import { zstd } from './zstd.ts'

/** How what is new is compressed. Whatever was stored, and in which way, can be read. */
export type Compression = 'brotli' | 'zstd'

/** How a chunk's bytes are stored; the id stands with each chunk. */
export const codecs = { stored: 0, brotli: 1, zstd: 2 } as const

export interface Codec {
  compress(bytes: Uint8Array): Promise<Uint8Array>
  /** As `compress`, on the thread that calls. */
  compressSync(bytes: Uint8Array): Uint8Array
  decompress(bytes: Uint8Array, output: OutputOptions): Promise<Uint8Array>
  /** As `decompress`, on the thread that calls. */
  decompressSync(bytes: Uint8Array, output: OutputOptions): Uint8Array
}

/** As `node:zlib` takes them, in bytes. */
export interface OutputOptions {
  readonly maxOutputLength: number
  readonly chunkSize: number
}

const leastBytes = 64

export interface Compressed {
  readonly codec: number
  readonly bytes: Uint8Array
}

/** Throws REPOSITORY_UNSUPPORTED where this Node cannot compress so, and a TypeError for what is no compression. */
export function checkCompression(value: unknown): Compression {
  const compression = checkOneOf('compression', value, ['brotli', 'zstd'])
  if (compression === 'zstd' && !zstd) throw zstdMissing()
  return compression
}

/** Compresses a chunk, or leaves it as it is where that gains less than 3 %. Works off the main thread. */
export async function compress(compression: Compression, bytes: Uint8Array): Promise<Compressed> {
  if (bytes.length < leastBytes) return { codec: codecs.stored, bytes }
  const id = codecs[compression]
  return shorter(bytes, id, await codecOf(id).compress(bytes))
}

/** As `compress`, on the thread that calls: for a small chunk on a thread of its own. */
export function compressSync(compression: Compression, bytes: Uint8Array): Compressed {
  if (bytes.length < leastBytes) return { codec: codecs.stored, bytes }
  const id = codecs[compression]
  return shorter(bytes, id, codecOf(id).compressSync(bytes))
}

function shorter(bytes: Uint8Array, codec: number, smaller: Uint8Array): Compressed {
  return smaller.length < bytes.length * 0.97 ? { codec, bytes: smaller } : { codec: codecs.stored, bytes }
}

/** Undoes `compress`. More than `length` bytes are refused before they fill the memory; of what was cut off, fewer may come, so compare. */
export async function decompress(codec: number, bytes: Uint8Array, length: number): Promise<Uint8Array> {
  return codec === codecs.stored ? bytes : codecOf(codec).decompress(bytes, outputOptions(length))
}

/** As `decompress`, on the thread that calls. */
export function decompressSync(codec: number, bytes: Uint8Array, length: number): Uint8Array {
  return codec === codecs.stored ? bytes : codecOf(codec).decompressSync(bytes, outputOptions(length))
}

/** Whether what is stored so can be read here. */
export function canRead(codec: number): boolean {
  return codec === codecs.stored || codec === codecs.brotli || (codec === codecs.zstd && zstd !== undefined)
}

/** Throws REPOSITORY_UNSUPPORTED for one that is not known here. */
function codecOf(id: number): Codec {
  if (id === codecs.brotli) return brotli
  if (id === codecs.zstd && zstd) return zstd
  if (id === codecs.zstd) throw zstdMissing()
  throw snapshotError(
    'REPOSITORY_UNSUPPORTED',
    `a chunk is compressed with codec ${id}: use a later release`,
    {
      fields: { codec: id },
    },
  )
}

function zstdMissing(): Error {
  const needed = `zstd needs Node 22.15 or later, and this is ${process.version}`
  return snapshotError('REPOSITORY_UNSUPPORTED', needed, { fields: { codec: codecs.zstd } })
}

/** A buffer that takes all at once, and a little more, so that the end is seen in the same step. */
function outputOptions(length: number): OutputOptions {
  return { maxOutputLength: Math.max(1, length), chunkSize: Math.max(64, length + 64) }
}
