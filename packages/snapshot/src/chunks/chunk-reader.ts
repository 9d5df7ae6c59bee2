import { LRUCache } from 'lru-cache'
import { snapshotError } from '../errors.ts'
import { blobKey } from '../format/layout.ts'
import { chunkLabel, decodePackHeader, packHeaderBytes } from '../format/pack.ts'
import type { Keys, PackCipher } from '../keys/keys.ts'
import { missing } from '../objects.ts'
import type { BlobStore } from '../store/store.ts'
import type { ChunkIndex, ChunkLocation } from './chunk-index.ts'
import { decompress } from './codec.ts'

/** Reads chunks by id, each checked against it, so that what comes is what was stored. */
export interface ChunkReader {
  /** Rejects with OBJECT_MISSING, OBJECT_CORRUPT or, for a chunk longer than `maxBytes`, SNAPSHOT_REFUSED. */
  read(id: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array>
}

/** Chunks up to this size are read together with their neighbours, in windows of four times as much. */
const smallBytes = 256 << 10
const windowBytes = 4 * smallBytes
const cachedWindows = 48

export function createChunkReader(store: BlobStore, keys: Keys, index: ChunkIndex): ChunkReader {
  const ciphers = new LRUCache<string, Promise<PackCipher>>({ max: 1_000 })
  const windows = new LRUCache<string, Promise<Uint8Array | undefined>>({ max: cachedWindows })
  return { read }

  async function read(id: string, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array> {
    const at = index.find(id)
    if (!at)
      throw snapshotError('OBJECT_MISSING', `chunk ${id} is in no pack of the snapshot`, {
        fields: { chunk: id },
      })
    if (at.length > maxBytes)
      throw snapshotError('SNAPSHOT_REFUSED', `chunk ${id} has ${at.length} bytes, which is too long`, {
        fields: { chunk: id },
      })
    const stored = await storedBytes(at, signal)
    if (!stored) throw missing(at.pack, store)
    return open(at, stored, signal)
  }

  async function open(at: ChunkLocation, stored: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    try {
      if (stored.length !== at.storedLength)
        throw new RangeError(`got ${stored.length} bytes of ${at.storedLength}`)
      const sealed = (await cipherOf(at.pack, signal)).decrypt(at.ordinal, chunkLabel(at), stored)
      const content = await decompress(at.codec, sealed, at.length)
      if (content.length !== at.length || keys.chunkId(content) !== at.id)
        throw new RangeError('the content is not what the id says')
      return content
    } catch (cause) {
      signal?.throwIfAborted()
      windows.clear()
      ciphers.delete(at.pack)
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

  function cipherOf(pack: string, signal?: AbortSignal): Promise<PackCipher> {
    const known = ciphers.get(pack)
    if (known) return known
    const loading = loadCipher(pack, signal)
    ciphers.set(pack, loading)
    loading.catch(() => ciphers.delete(pack))
    return loading
  }

  async function loadCipher(pack: string, signal?: AbortSignal): Promise<PackCipher> {
    if (!keys.encrypted) return keys.packCipher(new Uint8Array())
    const header = await store.get(blobKey(pack), { length: packHeaderBytes, signal })
    if (!header) throw missing(pack, store)
    return keys.packCipher(decodePackHeader(header).salt)
  }
}
