import { commit, completeIndexes, packDescriptor, putBlob } from '../commit.ts'
import type { Context } from '../context.ts'
import type { PackListing } from '../format/index-blob.ts'
import { refKey } from '../format/layout.ts'
import {
  type Descriptor,
  digestOf,
  encodeConfig,
  encodeDescriptor,
  encodeManifest,
  mediaTypes,
  type SnapshotRecord,
} from '../format/manifest.ts'
import type { KnownChunks } from './known.ts'

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
  const { store, keys, format } = context
  const used = [...known.used].map(([pack, { size }]) => packDescriptor({ pack, size }))
  const packs = [...used, ...written.map(packDescriptor)].sort((a, b) => (a.digest < b.digest ? -1 : 1))
  const indexes = await writeIndexes(context, used, written, known, signal)
  const config = await putBlob(store, mediaTypes.config, [encodeConfig(record, keys.seal)], signal)
  const manifest = await putBlob(
    store,
    mediaTypes.manifest,
    [encodeManifest({ config, packs, indexes }, record)],
    signal,
  )
  const key = refKey(record.name, record.timeMs, digestOf(manifest))
  await commit(
    store,
    { begunMs, shared: [...known.used.keys(), ...indexes.map(digestOf)], graceMs: format.graceMs, signal },
    () => store.put(key, [encodeDescriptor(manifest)], { ifAbsent: true, signal }),
    () => store.delete(key),
  )
  return manifest.digest
}

/** Lists the packs that no index lists yet in one of their own. */
async function writeIndexes(
  context: Context,
  used: readonly Descriptor[],
  written: readonly PackListing[],
  known: KnownChunks,
  signal?: AbortSignal,
): Promise<Descriptor[]> {
  const packs = [...known.used.values()]
  const olds: Descriptor[] = []
  for (const hex of new Set(packs.flatMap(({ index }) => index ?? []))) {
    const { length: size } = await context.objects.blob(hex, signal)
    olds.push({ mediaType: mediaTypes.index, digest: `sha256:${hex}`, size })
  }
  const unlisted = [...written, ...packs.flatMap(({ listing }) => listing ?? [])]
  return completeIndexes(context, used, olds, unlisted, signal)
}
