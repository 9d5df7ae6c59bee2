import type { Context } from '../context.ts'
import { snapshotError } from '../errors.ts'
import { encodeIndex, type PackListing } from '../format/index-blob.ts'
import { blobKey, refKey } from '../format/layout.ts'
import {
  type Descriptor,
  digestOf,
  encodeConfig,
  encodeManifest,
  mediaTypes,
  type SnapshotRecord,
} from '../format/manifest.ts'
import { descriptorOf } from '../objects.ts'
import { tombstonedBlobs } from '../retention/tombstones.ts'
import type { BlobStore } from '../store/store.ts'
import type { KnownChunks } from './known.ts'

/** A snapshot that points to more indexes than this gets one that says it all. */
const mostIndexes = 16

/**
 * Makes a snapshot whose packs are all there visible: index, config, manifest, then the ref.
 *
 * Rejects with BACKUP_OUTDATED, leaving only what `collect` will find, where the backup
 * took more than half the grace period or a pack that it shares has been marked meanwhile.
 */
export async function publish(
  context: Context,
  record: SnapshotRecord,
  written: readonly PackListing[],
  known: KnownChunks,
  begunMs: number,
  signal?: AbortSignal,
): Promise<string> {
  const { store, keys } = context
  const indexes = await writeIndexes(context, written, known, signal)
  const config = await putBlob(store, mediaTypes.config, [encodeConfig(record, keys.seal)], signal)
  const packs = [...known.used].map(([pack, { size }]) => packDescriptor(pack, size))
  const own = written.map(({ pack, size }) => packDescriptor(pack, size))
  const layers = [...packs, ...own].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const manifest = await putBlob(
    store,
    mediaTypes.manifest,
    [encodeManifest({ config, packs: layers, indexes }, record)],
    signal,
  )
  const shared = [...known.used.keys(), ...indexes.map(digestOf)]
  await checkFresh(store, context.format.graceMs, shared, begunMs, signal)
  const key = refKey(record.name, record.timeMs, digestOf(manifest))
  await store.put(key, [Buffer.from(JSON.stringify(manifest))], { ifAbsent: true, signal })
  return manifest.digest
}

/** Lists the packs that no index lists yet in one of their own. */
async function writeIndexes(
  { store, objects }: Context,
  written: readonly PackListing[],
  known: KnownChunks,
  signal?: AbortSignal,
): Promise<Descriptor[]> {
  const unlisted = [...written, ...[...known.used.values()].flatMap(({ listing }) => listing ?? [])]
  const inherited = new Set([...known.used.values()].flatMap(({ index }) => index ?? []))
  const olds: Descriptor[] = []
  for (const hex of inherited)
    olds.push({
      mediaType: mediaTypes.index,
      digest: `sha256:${hex}`,
      size: (await objects.blob(hex, signal)).length,
    })
  if (olds.length < mostIndexes)
    return unlisted.length > 0
      ? [...olds, await putBlob(store, mediaTypes.index, encodeIndex(unlisted), signal)]
      : olds
  const packs = [...known.used].map(([pack, { size }]) => packDescriptor(pack, size))
  const all = [...unlisted]
  const seen = new Set<string>()
  for await (const { index: _index, ...listing } of objects.listings(
    { config: olds[0]!, packs, indexes: olds },
    signal,
  ))
    if (!seen.has(listing.pack)) {
      seen.add(listing.pack)
      all.push(listing)
    }
  return [await putBlob(store, mediaTypes.index, encodeIndex(all), signal)]
}

/**
 * Rejects with BACKUP_OUTDATED where any of these blobs is marked for deletion, or where so much
 * time has passed that it may be marked and gone: asked just before a ref is written.
 */
export async function checkFresh(
  store: BlobStore,
  graceMs: number,
  shared: readonly string[],
  begunMs: number,
  signal?: AbortSignal,
): Promise<void> {
  const tookMs = (await store.now()) - begunMs
  const condemned = await tombstonedBlobs(store, signal)
  const lost = shared.find((digest) => condemned.has(digest))
  if (tookMs <= graceMs / 2 && !lost) return
  const reason = lost ? `sha256:${lost} is marked for deletion` : `it took ${Math.round(tookMs / 1_000)} s`
  throw snapshotError(
    'BACKUP_OUTDATED',
    `the snapshot is given up, for ${reason}, and half the grace period is ${graceMs / 2_000} s: run it again`,
    { fields: { tookMs, graceMs } },
  )
}

async function putBlob(
  store: BlobStore,
  mediaType: string,
  parts: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<Descriptor> {
  const descriptor = descriptorOf(mediaType, parts)
  await store.put(blobKey(digestOf(descriptor)), parts, { signal })
  return descriptor
}

function packDescriptor(pack: string, size: number): Descriptor {
  return { mediaType: mediaTypes.pack, digest: `sha256:${pack}`, size }
}
