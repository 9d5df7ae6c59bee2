import { promisify } from 'node:util'
import {
  type BrotliOptions,
  brotliCompress,
  brotliCompressSync,
  brotliDecompress,
  brotliDecompressSync,
  constants,
} from 'node:zlib'
import type { Codec } from './codec.ts'

const compressAsync = promisify(brotliCompress)
const decompressAsync = promisify(brotliDecompress)

/** Brotli at quality 1. */
export const brotli: Codec = {
  compress: (bytes) => compressAsync(bytes, compressOptions(bytes)),
  compressSync: (bytes) => brotliCompressSync(bytes, compressOptions(bytes)),
  decompress: (bytes, output) => decompressAsync(bytes, output),
  decompressSync: (bytes, output) => brotliDecompressSync(bytes, output),
}

function compressOptions({ length }: Uint8Array): BrotliOptions {
  return {
    chunkSize: Math.max(1_024, length >> 1),
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 1,
      [constants.BROTLI_PARAM_SIZE_HINT]: length,
      [constants.BROTLI_PARAM_LGWIN]: Math.min(22, Math.max(10, Math.ceil(Math.log2(length + 16)))),
    },
  }
}
