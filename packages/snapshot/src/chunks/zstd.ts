import { promisify } from 'node:util'
import zlib from 'node:zlib'
import type { Codec, OutputOptions } from './codec.ts'

interface CompressOptions {
  readonly chunkSize: number
  readonly pledgedSrcSize: number
  readonly params: { readonly [parameter: number]: number }
}
interface DecompressOptions extends OutputOptions {
  readonly params: { readonly [parameter: number]: number }
}
type Callback = (error: Error | null, result: Buffer) => void

/** What `node:zlib` has from Node 22.15 on, beyond the types of the oldest that is promised. */
interface Zstd {
  readonly zstdCompress: (bytes: Uint8Array, options: CompressOptions, callback: Callback) => void
  readonly zstdCompressSync: (bytes: Uint8Array, options: CompressOptions) => Buffer
  readonly zstdDecompress: (bytes: Uint8Array, options: DecompressOptions, callback: Callback) => void
  readonly zstdDecompressSync: (bytes: Uint8Array, options: DecompressOptions) => Buffer
  readonly constants: { readonly ZSTD_c_compressionLevel: number; readonly ZSTD_d_windowLogMax: number }
}

/** No chunk needs a window of more than 4 MiB, and no memory is given for a larger one. */
const largestWindowLog = 22

/** zstd at level 1; undefined where this Node has none. */
export const zstd: Codec | undefined =
  'zstdCompress' in zlib ? createZstd(zlib as unknown as Zstd) : undefined

function createZstd({ constants, ...functions }: Zstd): Codec {
  const compressAsync = promisify(functions.zstdCompress)
  const decompressAsync = promisify(functions.zstdDecompress)
  const limits = { [constants.ZSTD_d_windowLogMax]: largestWindowLog }
  return {
    compress: (bytes) => compressAsync(bytes, compressOptions(bytes)),
    compressSync: (bytes) => functions.zstdCompressSync(bytes, compressOptions(bytes)),
    decompress: (bytes, output) => decompressAsync(bytes, { ...output, params: limits }),
    decompressSync: (bytes, output) => functions.zstdDecompressSync(bytes, { ...output, params: limits }),
  }

  function compressOptions({ length }: Uint8Array): CompressOptions {
    return {
      chunkSize: Math.max(1_024, length >> 1),
      pledgedSrcSize: length,
      params: { [constants.ZSTD_c_compressionLevel]: 1 },
    }
  }
}
