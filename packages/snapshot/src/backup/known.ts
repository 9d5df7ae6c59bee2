import { isHoldfastError } from '@holdfast/core'
import { createChunkIndex } from '../chunks/chunk-index.ts'
import { type ChunkReader, createChunkReader } from '../chunks/chunk-reader.ts'
import { canRead } from '../chunks/codec.ts'
import { type Context, listRefs } from '../context.ts'
import type { PackListing } from '../format/index-blob.ts'
import { blobKey, type Ref } from '../format/layout.ts'
import type { SnapshotRecord } from '../format/manifest.ts'
import { decodeTrailer, packHeaderBytes, trailerLength } from '../format/pack.ts'
import { tombstonedBlobs } from '../retention/tombstones.ts'
import type { BlobStore } from '../store/store.ts'

/** A pack that was there before a backup began. */
export interface KnownPack {
  readonly size: number
  /** The index that lists it; undefined for a pack that a backup left behind which never ended. */
  readonly index: string | undefined
  /** What it holds, where no index tells. */
  readonly listing: PackListing | undefined
}

/** What a backup need not store again. */
export interface KnownChunks {
  /** The last snapshot of the same name. */
  readonly parent: SnapshotRecord | undefined
  /** How many packs the parent is made of. */
  readonly parentPacks: number
  readonly reader: ChunkReader
  has(id: string): boolean
  /** Whether the chunk is there; notes that the snapshot needs its pack. */
  use(id: string): boolean
  /** Packs that the snapshot needs, by digest. */
  readonly used: ReadonlyMap<string, KnownPack>
}

/**
 * Gathers the chunks of the last snapshot of each name, and of packs that were written
 * within half the grace period, so that a backup which was cut off goes on where it was.
 *
 * What is marked for deletion is not among them, for it may be gone before the new ref is there, nor is
 * what cannot be read here.
 */
export async function loadKnown(
  context: Context,
  name: string,
  storeMs: number,
  signal?: AbortSignal,
): Promise<KnownChunks> {
  const { store, keys, format } = context
  const condemned = await tombstonedBlobs(store, signal)
  const index = createChunkIndex()
  const packs = new Map<string, KnownPack>()
  const used = new Map<string, KnownPack>()
  const latest = newestOfEach(await listRefs(store, undefined, signal))
  for (const ref of latest.values()) await addSnapshot(ref)
  await addRecent()
  const own = latest.get(name)
  const parent = own && (await unlessDamaged(context.objects.record(own.digest, signal)))
  const manifest = parent && own && (await context.objects.manifest(own.digest, signal))
  return {
    parent,
    parentPacks: manifest?.packs.length ?? 0,
    reader: createChunkReader(store, keys, index),
    has: index.has,
    use,
    used,
  }

  function use(id: string): boolean {
    const pack = index.find(id)?.pack
    const known = pack === undefined ? undefined : packs.get(pack)
    if (pack !== undefined && known) used.set(pack, known)
    return known !== undefined
  }

  async function addSnapshot({ digest }: Ref): Promise<void> {
    const manifest = await unlessDamaged(context.objects.manifest(digest, signal))
    if (!manifest) return
    try {
      for await (const { index: from, ...listing } of context.objects.listings(manifest, signal))
        add(listing, from)
    } catch (error) {
      if (!isDamage(error)) throw error // A damaged index only costs storing its chunks again.
    }
  }

  async function addRecent(): Promise<void> {
    const since = storeMs - format.graceMs / 2
    for await (const { key, size, modifiedMs } of store.list(blobKey(''), { signal })) {
      const pack = key.slice(blobKey('').length)
      if (modifiedMs < since || packs.has(pack) || condemned.has(pack)) continue
      const listing = await readTrailer(store, pack, size, signal)
      if (listing) add(listing, undefined)
    }
  }

  function add(listing: PackListing, from: string | undefined): void {
    const { pack, size } = listing
    if (packs.has(pack) || condemned.has(pack)) return
    packs.set(pack, { size, index: from, listing: from === undefined ? listing : undefined })
    // What another Node compressed is stored again, so that who stores a snapshot can restore it too.
    index.add({ ...listing, entries: listing.entries.filter(({ codec }) => canRead(codec)) })
  }
}

/** A pack's listing from its own trailer; undefined for a blob that is no whole pack. */
export async function readTrailer(
  store: BlobStore,
  pack: string,
  size: number,
  signal?: AbortSignal,
): Promise<PackListing | undefined> {
  if (size <= packHeaderBytes) return undefined
  const end = await store.get(blobKey(pack), { offset: size - 8, length: 8, signal })
  const length = end && trailerLength(end)
  if (length === undefined || length > size - packHeaderBytes) return undefined
  const trailer = await store.get(blobKey(pack), { offset: size - length, length, signal })
  if (!trailer) return undefined
  return unlessDamaged(
    Promise.resolve(trailer).then((bytes) => ({ pack, size, entries: decodeTrailer(bytes, size) })),
  )
}

function newestOfEach(refs: readonly Ref[]): Map<string, Ref> {
  return new Map(refs.map((ref) => [ref.name, ref]))
}

/** What an older snapshot's damage costs here is only reading and storing again; `verify` is who tells of it. */
async function unlessDamaged<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (isDamage(error)) return undefined
    throw error
  }
}

export function isDamage(error: unknown): boolean {
  return ['OBJECT_MISSING', 'OBJECT_CORRUPT', 'SNAPSHOT_REFUSED'].some((code) => isHoldfastError(error, code))
}
