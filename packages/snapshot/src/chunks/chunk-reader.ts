import { isHoldfastError } from '@holdfast/core'
import { LRUCache } from 'lru-cache'
import { snapshotError } from '../errors.ts'
import { blobKey } from '../format/layout.ts'
import { chunkLabel, decodePackHeader, packHeaderBytes } from '../format/pack.ts'
import { createPackCipher, type Keys } from '../keys/keys.ts'
import { missing } from '../objects.ts'
import type { BlobStore } from '../store/store.ts'
import { type ChunkIndex, type ChunkLocation, locateChunk } from './chunk-index.ts'
import { decompress } from './codec.ts'

/** Reads chunks by id, each checked against it, so that what comes is what was stored. */
export interface ChunkReader {
  /** Rejects with OBJECT_MISSING, OBJECT_CORRUPT or, for a chunk longer than `maxBytes`, SNAPSHOT_REFUSED. */
  read(id: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array>
  /** The key of a pack, for who opens its chunks elsewhere; undefined where nothing is encrypted. */
  packKey(pack: string, signal?: AbortSignal): Promise<Uint8Array | undefined>
}

/** Chunks up to this size are read together with their neighbours, in windows of four times as much. */
const smallBytes = 256 << 10
const windowBytes = 4 * smallBytes
const cachedWindows = 48

export function createChunkReader(store: BlobStore, keys: Keys, index: ChunkIndex): ChunkReader {
  const packKeys = new LRUCache<string, Promise<{ key: Uint8Array | undefined }>>({ max: 1_000 })
  const windows = new LRUCache<string, Promise<Uint8Array | undefined>>({ max: cachedWindows })
  return { read, packKey: async (pack, signal) => (await packKeyOf(pack, signal)).key }

  async function read(id: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array> {
    const at = locateChunk(index, id, maxBytes)
    const stored = await storedBytes(at, signal)
    if (!stored) throw missing(at.pack, store)
    return open(at, stored, signal)
  }

  async function open(at: ChunkLocation, stored: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    try {
      if (stored.length !== at.storedLength)
        throw new RangeError(`got ${stored.length} bytes of ${at.storedLength}`)
      const { key } = await packKeyOf(at.pack, signal)
      const compressed = createPackCipher(key).decrypt(at.ordinal, chunkLabel(at), stored)
      const content = await decompress(at.codec, compressed, at.length)
      if (content.length !== at.length || keys.chunkId(content) !== at.id)
        throw new RangeError('the content is not what the id says')
      return content
    } catch (cause) {
      signal?.throwIfAborted()
      if (isHoldfastError(cause, 'REPOSITORY_UNSUPPORTED')) throw cause
      windows.clear()
      packKeys.delete(at.pack)
      throw damaged(at, cause)
    }
  }

  function damaged(at: ChunkLocation, cause: unknown): Error {
    const digest = `sha256:${at.pack}`
    return snapshotError(
      'OBJECT_CORRUPT',
      `chunk ${at.id} in ${digest} at byte ${at.offset} of ${store.description} is damaged`,
      { cause, fields: { digest, chunk: at.id, offset: at.offset } },
    )
  }

  async function storedBytes(at: ChunkLocation, signal?: AbortSignal): Promise<Uint8Array | undefined> {
    if (at.storedLength > smallBytes)
      return store.get(blobKey(at.pack), { offset: at.offset, length: at.storedLength, signal })
    const number = Math.floor(at.offset / windowBytes)
    const window = await windowOf(at.pack, number, at.packBytes)
    const start = at.offset - number * windowBytes
    return window?.subarray(start, start + at.storedLength)
  }

  /** A window overlaps the next one by a small chunk, so that each lies in one whole. */
  function windowOf(pack: string, number: number, packBytes: number): Promise<Uint8Array | undefined> {
    const key = `${pack}:${number}`
    const known = windows.get(key)
    if (known) return known
    const offset = number * windowBytes
    const length = Math.min(windowBytes + smallBytes, packBytes - offset)
    const loading = store.get(blobKey(pack), { offset, length })
    windows.set(key, loading)
    loading.catch(() => windows.delete(key))
    return loading
  }

  function packKeyOf(pack: string, signal?: AbortSignal): Promise<{ key: Uint8Array | undefined }> {
    const known = packKeys.get(pack)
    if (known) return known
    const loading = loadPackKey(pack, signal)
    packKeys.set(pack, loading)
    loading.catch(() => packKeys.delete(pack))
    return loading
  }

  async function loadPackKey(pack: string, signal?: AbortSignal): Promise<{ key: Uint8Array | undefined }> {
    if (!keys.encrypted) return { key: undefined }
    const header = await store.get(blobKey(pack), { length: packHeaderBytes, signal })
    if (!header) throw missing(pack, store)
    return { key: keys.packKey(decodePackHeader(header).salt) }
  }
}
