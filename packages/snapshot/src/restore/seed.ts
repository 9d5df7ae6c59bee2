import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { ChunkLocation } from '../chunks/chunk-index.ts'
import { systemCode } from '../errors.ts'
import { fsPath } from '../format/names.ts'
import type { Keys } from '../keys/keys.ts'

/** The files of a folder, as a source of chunks that need not be read from the store. */
export interface Seed {
  /** The file that is at this path now; undefined where there is none of that size. */
  open(path: string, size: number): Promise<SeedFile | undefined>
  /** Of all chunks that were found, in bytes. */
  readonly reusedBytes: number
}

export interface SeedFile {
  /** The chunk, if it is what the file has at this position: hashed as all else is, so never wrong. */
  find(chunk: ChunkLocation, position: number): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** Of a target in which nothing is. */
export const noSeed: Seed = { open: async () => undefined, reusedBytes: 0 }

export function createSeed(folder: string, keys: Keys): Seed {
  let reusedBytes = 0
  return {
    open: openFile,
    get reusedBytes() {
      return reusedBytes
    },
  }

  async function openFile(path: string, size: number): Promise<SeedFile | undefined> {
    const file = await open(fsPath(`${folder}/${path}`), openFlags).catch((error: unknown) => {
      if (systemCode(error) === undefined) throw error
      return undefined // There is none to be had: the store has it.
    })
    const found = await file?.stat()
    if (file && found?.isFile() && found.size === size)
      return { find: (chunk, position) => find(file, chunk, position, size), close: () => file.close() }
    await file?.close()
    return undefined
  }

  async function find(
    file: FileHandle,
    { id, length }: ChunkLocation,
    position: number,
    size: number,
  ): Promise<Uint8Array | undefined> {
    if (position + length > size) return undefined
    const bytes = Buffer.allocUnsafeSlow(length)
    const { bytesRead } = await file.read(bytes, 0, length, position)
    if (bytesRead !== length || keys.chunkId(bytes) !== id) return undefined
    reusedBytes += length
    return bytes
  }
}
