import { LRUCache } from 'lru-cache'
import { snapshotError } from './errors.ts'
import { decodeIndex, type PackListing } from './format/index-blob.ts'
import { blobKey, parseRepacked, type Repacked, repackedPrefix } from './format/layout.ts'
import {
  type Descriptor,
  decodeConfig,
  decodeManifest,
  digestOf,
  type Manifest,
  type SnapshotRecord,
} from './format/manifest.ts'
import { refused } from './format/tree.ts'
import type { Keys } from './keys/keys.ts'
import { sha256 } from './keys/keys.ts'
import type { Snapshot } from './snapshot.ts'
import type { BlobStore } from './store/store.ts'

/** Reads a repository's whole blobs, each checked against its digest, small ones kept in memory. */
export interface Objects {
  /** Rejects with OBJECT_MISSING or OBJECT_CORRUPT, naming the digest. */
  blob(hex: string, signal?: AbortSignal): Promise<Uint8Array>
  /** What the snapshot is made of now: its own manifest, or the one that was written when its packs were. */
  manifest(hex: string, signal?: AbortSignal): Promise<CurrentManifest>
  record(hex: string, signal?: AbortSignal): Promise<SnapshotRecord>
  /** An index's listings, of the manifest's own packs only: another snapshot's may be gone. */
  listings(manifest: Pick<Manifest, 'packs' | 'indexes'>, signal?: AbortSignal): AsyncIterable<IndexedPack>
}

export interface CurrentManifest extends Manifest {
  /** 64 hexadecimal digits; others than the snapshot's once its packs were rewritten. */
  readonly digest: string
}

export interface IndexedPack extends PackListing {
  /** The digest of the index that lists it, 64 hexadecimal digits. */
  readonly index: string
}

export function createObjects(store: BlobStore, keys: Keys): Objects {
  const small = new LRUCache<string, Uint8Array>({
    maxSize: 32 << 20,
    sizeCalculation: (bytes) => bytes.length + 100,
  })
  return { blob, manifest, record, listings }

  async function blob(hex: string, signal?: AbortSignal): Promise<Uint8Array> {
    const known = small.get(hex)
    if (known) return known
    const bytes = await store.get(blobKey(hex), { signal })
    if (!bytes) throw missing(hex, store)
    const actual = sha256(bytes)
    if (actual !== hex) throw corrupt(hex, store, actual)
    if (bytes.length <= 1 << 20) small.set(hex, bytes)
    return bytes
  }

  async function manifest(hex: string, signal?: AbortSignal): Promise<CurrentManifest> {
    const own = await ownManifest(hex, signal)
    const digest = store.supports.delete ? (await newestRepacked(hex, signal))?.manifest : undefined
    if (digest === undefined) return { ...own, digest: hex }
    const current = await ownManifest(digest, signal)
    // The snapshot's digest vouches for its config, and that for every tree and chunk.
    if (current.config.digest === own.config.digest) return { ...current, digest }
    throw refused(`sha256:${digest} is no manifest of sha256:${hex}`)
  }

  async function newestRepacked(hex: string, signal?: AbortSignal): Promise<Repacked | undefined> {
    let newest: Repacked | undefined
    for await (const { key } of store.list(repackedPrefix(hex), { signal })) {
      const found = parseRepacked(key)
      if (found && (newest === undefined || key > newest.key)) newest = found
    }
    return newest
  }

  async function ownManifest(hex: string, signal?: AbortSignal): Promise<Manifest> {
    return decodeManifest(await blob(hex, signal))
  }

  async function record(hex: string, signal?: AbortSignal): Promise<SnapshotRecord> {
    const { config } = await ownManifest(hex, signal)
    return decodeConfig(await blob(digestOf(config), signal), keys.encrypted ? keys.seal : undefined)
  }

  async function* listings(
    { packs, indexes }: Pick<Manifest, 'packs' | 'indexes'>,
    signal?: AbortSignal,
  ): AsyncIterable<IndexedPack> {
    const own = new Map(packs.map((pack) => [digestOf(pack), pack.size]))
    for (const index of indexes.map(digestOf))
      for (const listing of decodeIndex(await blob(index, signal)))
        if (own.get(listing.pack) === listing.size) yield { ...listing, index }
  }
}

/** A record as users see it. */
export function snapshotOf({ root: _root, ...record }: SnapshotRecord, hex: string): Snapshot {
  return { ...record, digest: `sha256:${hex}` }
}

export function descriptorOf(mediaType: string, parts: readonly Uint8Array[]): Descriptor {
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  return { mediaType, digest: `sha256:${sha256(...parts)}`, size }
}

export function missing(hex: string, store: BlobStore): Error {
  return snapshotError('OBJECT_MISSING', `sha256:${hex} is not in ${store.description}`, {
    fields: { digest: `sha256:${hex}` },
  })
}

export function corrupt(hex: string, store: BlobStore, actual: string): Error {
  return snapshotError(
    'OBJECT_CORRUPT',
    `sha256:${hex} in ${store.description} hashes to ${actual}: it is damaged`,
    {
      fields: { digest: `sha256:${hex}`, actual: `sha256:${actual}` },
    },
  )
}
