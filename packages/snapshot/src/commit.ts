import type { Context } from './context.ts'
import { snapshotError } from './errors.ts'
import { encodeIndex, type PackListing } from './format/index-blob.ts'
import { blobKey } from './format/layout.ts'
import { type Descriptor, digestOf, mediaTypes } from './format/manifest.ts'
import { descriptorOf } from './objects.ts'
import { tombstonedBlobs } from './retention/tombstones.ts'
import type { BlobStore } from './store/store.ts'

/** A snapshot that points to more indexes than this gets one that says it all. */
const mostIndexes = 16

export interface CommitOptions {
  /** When the work began that leans on these blobs, by the store's clock. */
  begunMs: number
  /** Blobs that were there before. */
  shared: readonly string[]
  graceMs: number
  signal?: AbortSignal | undefined
}

/**
 * Makes something visible that leans on blobs which a collection may delete once they are unreachable for two grace periods.
 *
 * Rejects with BACKUP_OUTDATED, with nothing visible, where one of them is marked for deletion or the
 * work took more than half the grace period. A process that stood still just before `put`, as a
 * suspended machine does, takes back what it put too late.
 */
export async function commit(
  store: BlobStore,
  { begunMs, shared, graceMs, signal }: CommitOptions,
  put: () => Promise<unknown>,
  undo: () => Promise<unknown>,
): Promise<void> {
  const condemned = await tombstonedBlobs(store, signal)
  const lost = shared.find((digest) => condemned.has(digest))
  if (lost) throw outdated(`sha256:${lost} is marked for deletion`, graceMs)
  const tookMs = (await store.now()) - begunMs
  if (tookMs > graceMs / 2) throw outdated(`it took ${Math.round(tookMs / 1_000)} s`, graceMs)
  await put()
  if (!store.supports.delete || (await store.now()) - begunMs <= graceMs) return
  await undo()
  throw outdated('it stood still for too long', graceMs)
}

function outdated(reason: string, graceMs: number): Error {
  return snapshotError(
    'BACKUP_OUTDATED',
    `the snapshot is given up, for ${reason}, and half the grace period is ${graceMs / 2_000} s: run it again`,
    { fields: { reason, graceMs } },
  )
}

export async function putBlob(
  store: BlobStore,
  mediaType: string,
  parts: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<Descriptor> {
  const descriptor = descriptorOf(mediaType, parts)
  await store.put(blobKey(digestOf(descriptor)), parts, { signal })
  return descriptor
}

export function packDescriptor({ pack, size }: Pick<PackListing, 'pack' | 'size'>): Descriptor {
  return { mediaType: mediaTypes.pack, digest: `sha256:${pack}`, size }
}

/** The indexes of a snapshot of these packs: those that list some already, and one of what none lists; or one of all where they would be too many. */
export async function completeIndexes(
  { store, objects }: Context,
  packs: readonly Descriptor[],
  olds: readonly Descriptor[],
  unlisted: readonly PackListing[],
  signal?: AbortSignal,
): Promise<Descriptor[]> {
  const put = (listings: readonly PackListing[]): Promise<Descriptor> =>
    putBlob(store, mediaTypes.index, encodeIndex(listings), signal)
  if (olds.length < mostIndexes) return unlisted.length > 0 ? [...olds, await put(unlisted)] : [...olds]
  const all = new Map(unlisted.map((listing) => [listing.pack, listing]))
  for await (const { index: _index, ...listing } of objects.listings({ packs, indexes: olds }, signal))
    if (!all.has(listing.pack)) all.set(listing.pack, listing)
  return [await put([...all.values()])]
}
