import { checkFresh } from './backup/publish.ts'
import type { Context } from './context.ts'
import { snapshotError } from './errors.ts'
import {
  blobKey,
  decodeFormat,
  encodeFormat,
  formatKey,
  layoutKey,
  ociLayout,
  refKey,
} from './format/layout.ts'
import { type Descriptor, digestOf, mediaTypes } from './format/manifest.ts'
import { slotPrefix } from './keys/key-slots.ts'
import { sha256 } from './keys/keys.ts'
import { createLanes } from './lanes.ts'
import { corrupt, missing } from './objects.ts'
import { createMeter } from './progress.ts'
import type { OperationOptions } from './snapshot.ts'
import type { BlobStore } from './store/store.ts'

export interface CopyResult {
  /** Objects that the other store lacked, and their bytes. */
  readonly copied: number
  readonly copiedBytes: number
  readonly durationMs: number
}

const copiesAtOnce = 4

/** Copies a snapshot as it is stored, so that its digest stays: what the other store lacks, each object checked; the ref last. */
export async function copyTo(
  context: Context,
  other: BlobStore,
  hex: string,
  options: OperationOptions = {},
): Promise<CopyResult> {
  const { store, objects, clock } = context
  const { signal } = options
  const begun = clock.now()
  const manifest = await objects.manifest(hex, signal)
  const record = await objects.record(hex, signal)
  await prepare(context, other, signal)
  const begunMs = await other.now()
  const layers = [...manifest.packs, ...manifest.indexes]
  const meter = createMeter(
    options,
    clock,
    'write',
    layers.reduce((sum, { size }) => sum + size, 0),
  )
  let [copied, copiedBytes] = [0, 0]
  const lanes = createLanes(copiesAtOnce)
  try {
    for (const blob of [...layers, manifest.config]) await lanes.begin(() => copy(blob))
    await lanes.idle()
  } finally {
    await Promise.allSettled([lanes.idle()])
  }
  const bytes = await objects.blob(hex, signal)
  const descriptor = { mediaType: mediaTypes.manifest, digest: `sha256:${hex}`, size: bytes.length }
  await copy(descriptor)
  meter.phase('commit')
  const digests = [...layers, manifest.config, descriptor].map(digestOf)
  await checkFresh(other, context.format.graceMs, digests, begunMs, signal)
  await other.put(refKey(record.name, record.timeMs, hex), [Buffer.from(JSON.stringify(descriptor))], {
    ifAbsent: true,
    signal,
  })
  meter.end()
  return { copied, copiedBytes, durationMs: clock.now() - begun }

  async function copy(blob: Descriptor): Promise<void> {
    const key = blobKey(digestOf(blob))
    const there = await other.stat(key, { signal })
    if (there?.size !== blob.size) {
      const content = await store.get(key, { signal })
      if (!content) throw missing(digestOf(blob), store)
      const actual = sha256(content)
      if (actual !== digestOf(blob)) throw corrupt(digestOf(blob), store, actual)
      await other.put(key, [content], { signal })
      copied += 1
      copiedBytes += blob.size
    }
    meter.addBytes(blob.size)
    meter.addFile()
  }
}

/** Makes the other store a repository of the same format and keys, or sees that it is one. */
async function prepare({ store, format }: Context, other: BlobStore, signal?: AbortSignal): Promise<void> {
  const theirs = await other.get(formatKey, { signal })
  if (theirs) {
    if (decodeFormat(theirs).keyCheck === format.keyCheck) return
    throw snapshotError(
      'REPOSITORY_KEY',
      `the repository in ${other.description} has another key, so it cannot hold a copy`,
    )
  }
  for await (const { key } of store.list(slotPrefix, { signal })) {
    const slot = await store.get(key, { signal })
    if (slot) await other.put(key, [slot], { ifAbsent: true, signal })
  }
  await other.put(layoutKey, [ociLayout], { ifAbsent: true, signal })
  await other.put(formatKey, [encodeFormat(format)], { ifAbsent: true, signal })
}
