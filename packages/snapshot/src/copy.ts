import { type CommitOptions, commit } from './commit.ts'
import { type Context, listRefs } from './context.ts'
import { snapshotError } from './errors.ts'
import {
  blobKey,
  decodeFormat,
  encodeFormat,
  formatKey,
  layoutKey,
  ociLayout,
  refKey,
  repackedPrefix,
} from './format/layout.ts'
import {
  type Descriptor,
  decodeManifest,
  digestOf,
  encodeDescriptor,
  mediaTypes,
  type SnapshotRecord,
} from './format/manifest.ts'
import { slotPrefix } from './keys/key-slots.ts'
import { sha256 } from './keys/keys.ts'
import { createLanes } from './lanes.ts'
import { type CurrentManifest, corrupt, missing } from './objects.ts'
import { createMeter } from './progress.ts'
import type { OperationOptions } from './snapshot.ts'
import type { BlobStore } from './store/store.ts'

export interface CopyResult {
  /** The snapshot's digest there: another than here once its packs were rewritten here. */
  readonly digest: string
  /** Objects that the other store lacked, and their bytes. */
  readonly copied: number
  readonly copiedBytes: number
  readonly durationMs: number
}

const copiesAtOnce = 4

/** Copies a snapshot as it is stored, under its present manifest's digest: what the other store lacks, each object checked; the ref last. */
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
  const there = await findCopy(other, record, manifest, signal)
  if (there) return { digest: there, copied: 0, copiedBytes: 0, durationMs: clock.now() - begun }
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
  const digest = `sha256:${manifest.digest}`
  const { length: size } = await objects.blob(manifest.digest, signal)
  const descriptor = { mediaType: mediaTypes.manifest, digest, size }
  await copy(descriptor)
  meter.phase('commit')
  const shared = [...layers, manifest.config, descriptor].map(digestOf)
  await publish({ begunMs, shared, graceMs: context.format.graceMs, signal })
  meter.end()
  return { digest, copied, copiedBytes, durationMs: clock.now() - begun }

  async function publish(commitment: CommitOptions): Promise<void> {
    const key = refKey(record.name, record.timeMs, manifest.digest)
    // What is left of a snapshot of that digest which was forgotten there may point to packs that are gone.
    if (other.supports.delete && !(await other.stat(key, { signal })))
      for await (const stale of other.list(repackedPrefix(manifest.digest), { signal }))
        await other.delete(stale.key, { signal })
    let created = false
    const put = async (): Promise<void> => {
      created = await other.put(key, [encodeDescriptor(descriptor)], { ifAbsent: true, signal })
    }
    await commit(other, commitment, put, async () => {
      if (created) await other.delete(key)
    })
  }

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

/** The digest of the same snapshot in the other store, where it is made of other packs there. */
async function findCopy(
  other: BlobStore,
  { name, timeMs }: SnapshotRecord,
  { digest: own, config }: CurrentManifest,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const refs = await listRefs(other, name, signal)
  for (const { digest } of refs.filter((ref) => ref.timeMs === timeMs)) {
    if (digest === own && !(await isRepacked(other, digest, signal))) continue
    const bytes = await other.get(blobKey(digest), { signal })
    if (bytes && sha256(bytes) === digest && decodeManifest(bytes).config.digest === config.digest)
      return `sha256:${digest}`
  }
  return undefined
}

async function isRepacked(other: BlobStore, digest: string, signal?: AbortSignal): Promise<boolean> {
  if (!other.supports.delete) return false
  for await (const _ of other.list(repackedPrefix(digest), { signal })) return true
  return false
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
