import { randomBytes } from 'node:crypto'
import type { PackListing } from '../format/index-blob.ts'
import { blobKey } from '../format/layout.ts'
import {
  chunkLabel,
  encodePackHeader,
  encodeTrailer,
  type PackEntry,
  packHeaderBytes,
} from '../format/pack.ts'
import { type Keys, type PackCipher, sha256 } from '../keys/keys.ts'
import { createLanes } from '../lanes.ts'
import type { BlobStore } from '../store/store.ts'
import type { Compressed } from './codec.ts'

const smallestPackBytes = 16 << 20
const largestPackBytes = 128 << 20
const packsPerDoubling = 1_000
const packsAtOnce = 2

/** Gathers new chunks into packs and writes those as they fill up. */
export interface PackWriter {
  /** Takes a chunk. Its bytes belong to the writer from then on. Waits while too many packs are being written. */
  add(id: string, length: number, compressed: Compressed): Promise<void>
  /** Writes the last pack, and resolves when all are durable. */
  finish(): Promise<void>
  /** Resolves, after a failure too, when nothing is being written any more. */
  settle(): Promise<void>
  readonly written: readonly PackListing[]
  /** Of all written packs, in bytes. */
  readonly storedBytes: number
}

interface OpenPack {
  readonly cipher: PackCipher
  readonly parts: Uint8Array[]
  readonly entries: PackEntry[]
  bytes: number
}

/** Packs grow with the snapshot, so that its manifest stays within what registries take. */
export function createPackWriter(
  store: BlobStore,
  keys: Keys,
  knownPacks: number,
  signal?: AbortSignal,
): PackWriter {
  const lanes = createLanes(packsAtOnce)
  const written: PackListing[] = []
  let storedBytes = 0
  let pack: OpenPack | undefined
  return {
    add,
    finish,
    settle: async () => void (await Promise.allSettled([lanes.idle()])),
    written,
    get storedBytes() {
      return storedBytes
    },
  }

  async function add(id: string, length: number, { codec, bytes }: Compressed): Promise<void> {
    pack ??= begin()
    const ordinal = pack.entries.length
    const sealed = pack.cipher.encrypt(ordinal, chunkLabel({ id, length, codec }), bytes)
    const storedLength = sealed.reduce((sum, part) => sum + part.length, 0)
    pack.entries.push({ id, offset: pack.bytes, storedLength, length, codec, ordinal })
    pack.parts.push(...sealed)
    pack.bytes += storedLength
    if (pack.bytes >= targetBytes(knownPacks + written.length)) await flush()
  }

  async function finish(): Promise<void> {
    await flush()
    await lanes.idle()
  }

  async function flush(): Promise<void> {
    const full = pack
    pack = undefined
    if (full) await lanes.begin(() => write(full))
  }

  function begin(): OpenPack {
    // Without a key too: no pack is ever written twice, so one that is marked for deletion is never needed again.
    const salt = randomBytes(32)
    const cipher = keys.packCipher(salt)
    return { cipher, parts: [encodePackHeader(salt, keys.encrypted)], entries: [], bytes: packHeaderBytes }
  }

  async function write({ parts, entries, bytes }: OpenPack): Promise<void> {
    const trailer = encodeTrailer(entries)
    parts.push(trailer)
    const digest = sha256(...parts)
    const size = bytes + trailer.length
    await store.put(blobKey(digest), parts, { signal })
    storedBytes += size
    written.push({ pack: digest, size, entries })
  }
}

function targetBytes(packs: number): number {
  return Math.min(largestPackBytes, smallestPackBytes * 2 ** Math.floor(packs / packsPerDoubling))
}
