import { promisify } from 'node:util'
import {
  type BrotliOptions,
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
} from 'node:zlib'
import { snapshotError } from '../errors.ts'

/** How a chunk's bytes are stored; the id stands with each chunk. 2 is kept for zstd. */
export const codecs = { stored: 0, brotli: 1 } as const

const compressAsync = promisify(brotliCompress)
const decompressAsync = promisify(brotliDecompress)
const leastBytes = 64
const samples = 6
const sampleBytes = 4_096

export interface Compressed {
  readonly codec: number
  readonly bytes: Uint8Array
}

/** Compresses a chunk with brotli's quality 1, or leaves it as it is where that gains less than 3 %. Works off the main thread. */
export async function compress(bytes: Uint8Array): Promise<Compressed> {
  if (bytes.length < leastBytes || !(await looksCompressible(bytes))) return { codec: codecs.stored, bytes }
  return shorter(bytes, await brotli(bytes))
}

/** As `compress`, on the thread that calls: for a small chunk on a thread of its own. */
export function compressSync(bytes: Uint8Array): Compressed {
  if (bytes.length < leastBytes) return { codec: codecs.stored, bytes }
  return shorter(bytes, brotliCompressSync(bytes, brotliOptions(bytes)))
}

function shorter(bytes: Uint8Array, smaller: Uint8Array): Compressed {
  return smaller.length < bytes.length * 0.97
    ? { codec: codecs.brotli, bytes: smaller }
    : { codec: codecs.stored, bytes }
}

/** Undoes `compress`. A result of any other length than `length` is refused before it fills the memory. */
export async function decompress(codec: number, bytes: Uint8Array, length: number): Promise<Uint8Array> {
  return isStored(codec) ? bytes : decompressAsync(bytes, decompressOptions(length))
}

/** As `decompress`, on the thread that calls. */
export function decompressSync(codec: number, bytes: Uint8Array, length: number): Uint8Array {
  return isStored(codec) ? bytes : brotliDecompressSync(bytes, decompressOptions(length))
}

function isStored(codec: number): boolean {
  if (codec === codecs.stored) return true
  if (codec === codecs.brotli) return false
  throw snapshotError(
    'REPOSITORY_UNSUPPORTED',
    `a chunk is compressed with codec ${codec}: use a later version`,
    { fields: { codec } },
  )
}

/** A buffer that takes all at once, and a little more, so that the end is seen in the same step. */
function decompressOptions(length: number): BrotliOptions {
  return { maxOutputLength: Math.max(1, length), chunkSize: Math.max(64, length + 64) }
}

/** Tries pieces from all over a large chunk, so that the incompressible costs little. */
async function looksCompressible(bytes: Uint8Array): Promise<boolean> {
  if (bytes.length < 4 * samples * sampleBytes) return true
  const apart = Math.floor((bytes.length - sampleBytes) / (samples - 1))
  const pieces = Array.from({ length: samples }, (_, at) =>
    bytes.subarray(at * apart, at * apart + sampleBytes),
  )
  const sample = Buffer.concat(pieces)
  return (await brotli(sample)).length < sample.length * 0.97
}

function brotli(bytes: Uint8Array): Promise<Buffer> {
  return compressAsync(bytes, brotliOptions(bytes))
}

function brotliOptions({ length }: Uint8Array): BrotliOptions {
  return {
    chunkSize: Math.max(1_024, length >> 1),
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 1,
      [constants.BROTLI_PARAM_SIZE_HINT]: length,
      [constants.BROTLI_PARAM_LGWIN]: Math.min(22, Math.max(10, Math.ceil(Math.log2(length + 16)))),
    },
  }
}
