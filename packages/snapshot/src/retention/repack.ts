import { checkNumber } from '@holdfast/core'
import { type ChunkIndex, createChunkIndex } from '../chunks/chunk-index.ts'
import { createChunkSink } from '../chunks/chunk-sink.ts'
import { commit, completeIndexes, packDescriptor, putBlob } from '../commit.ts'
import { type Context, listRefs, maxTreeBytes } from '../context.ts'
import { snapshotError } from '../errors.ts'
import type { PackListing } from '../format/index-blob.ts'
import { type Ref, repackedKey } from '../format/layout.ts'
import {
  type Descriptor,
  digestOf,
  encodeDescriptor,
  encodeManifest,
  mediaTypes,
  type SnapshotRecord,
} from '../format/manifest.ts'
import type { CurrentManifest } from '../objects.ts'
import { createMeter, type Meter } from '../progress.ts'
import type { OperationOptions } from '../snapshot.ts'
import { markNeeded, type NeededChunks } from './needed.ts'
import { tombstonedBlobs } from './tombstones.ts'

export interface RepackOptions extends OperationOptions {
  /** A pack is rewritten when more than this share of its bytes is needed by no snapshot, 0 to 1. @default 0.1 */
  unusedShare?: number
  /** Only tells what would be rewritten. @default false */
  dryRun?: boolean
}

export interface RepackResult {
  /** Packs that are rewritten, their bytes, and how many of those no snapshot needs. */
  readonly packs: number
  readonly packBytes: number
  readonly unusedBytes: number
  /** Bytes of the new packs. */
  readonly storedBytes: number
  /** Snapshots that are made of other packs now. */
  readonly snapshots: number
}

interface Surveyed {
  readonly ref: Ref
  readonly manifest: CurrentManifest
  readonly record: SnapshotRecord
}

/** A pack of which too much is needed by no snapshot. */
interface WornPack extends PackListing {
  readonly unusedBytes: number
}

/**
 * Copies what is still needed out of packs that are mostly waste, and points the snapshots to the copies.
 *
 * Nothing is deleted: the old packs are needed by no snapshot then, and `collect` finds them.
 * Each snapshot changes over by one write, so after a crash each is made of its old packs or of
 * its new ones, all of them there; another call goes on from that. Its digest, its record and its trees stay.
 */
export async function repack(context: Context, options: RepackOptions = {}): Promise<RepackResult> {
  const { store, clock } = context
  const { signal, dryRun = false } = options
  const unusedShare = checkNumber('unusedShare', options.unusedShare ?? 0.1, { min: 0, max: 1 })
  if (!store.supports.delete) throw snapshotError('STORE_UNSUPPORTED', `${store.description} cannot delete`)
  const begunMs = await store.now()
  const meter = createMeter(options, clock, 'scan')
  const snapshots = await survey(context, signal)
  const packs = await sortPacks(context, snapshots, unusedShare, signal)
  const worn = [...packs.worn.values()]
  const affected = snapshots.filter(({ manifest }) =>
    manifest.packs.some((pack) => packs.worn.has(digestOf(pack))),
  )
  const result = {
    packs: worn.length,
    packBytes: worn.reduce((sum, { size }) => sum + size, 0),
    unusedBytes: worn.reduce((sum, { unusedBytes }) => sum + unusedBytes, 0),
    snapshots: affected.length,
  }
  if (dryRun || worn.length === 0) return { ...result, storedBytes: 0 }
  meter.phase('write')
  const moved = await moveNeeded(context, packs, meter, signal)
  meter.phase('commit')
  // One that was forgotten meanwhile stays so.
  for (const snapshot of affected)
    if (await store.stat(snapshot.ref.key, { signal }))
      await changeOver(context, snapshot, packs, moved, { begunMs, signal })
  meter.end()
  return { ...result, storedBytes: moved.storedBytes }
}

async function survey({ store, objects }: Context, signal?: AbortSignal): Promise<Surveyed[]> {
  const snapshots: Surveyed[] = []
  for (const ref of await listRefs(store, undefined, signal)) {
    const manifest = await objects.manifest(ref.digest, signal)
    snapshots.push({ ref, manifest, record: await objects.record(ref.digest, signal) })
  }
  return snapshots
}

interface SortedPacks {
  readonly worn: ReadonlyMap<string, WornPack>
  /** What is in the others, but for those that are marked for deletion, which nothing new may lean on. */
  readonly elsewhere: ChunkIndex
  readonly needed: NeededChunks
  /** An index that lists the pack. */
  readonly indexes: ReadonlyMap<string, Descriptor>
}

async function sortPacks(
  context: Context,
  snapshots: readonly Surveyed[],
  unusedShare: number,
  signal?: AbortSignal,
): Promise<SortedPacks> {
  const condemned = await tombstonedBlobs(context.store, signal)
  const layers = {
    packs: distinct(snapshots.flatMap(({ manifest }) => manifest.packs)),
    indexes: distinct(snapshots.flatMap(({ manifest }) => manifest.indexes)),
  }
  const roots = snapshots.map(({ record }) => record.root.tree)
  const needed = await markNeeded(context, layers, roots, signal)
  const worn = new Map<string, WornPack>()
  const elsewhere = createChunkIndex()
  const indexes = new Map<string, Descriptor>()
  const descriptors = new Map(layers.indexes.map((index) => [digestOf(index), index]))
  for await (const { index, ...listing } of context.objects.listings(layers, signal)) {
    if (indexes.has(listing.pack)) continue
    indexes.set(listing.pack, descriptors.get(index)!)
    const unneeded = listing.entries.filter(({ id }) => !needed.has(id))
    const unusedBytes = unneeded.reduce((sum, { storedLength }) => sum + storedLength, 0)
    if (unusedBytes > unusedShare * listing.size) worn.set(listing.pack, { ...listing, unusedBytes })
    else if (!condemned.has(listing.pack)) elsewhere.add(listing)
  }
  return { worn, elsewhere, needed, indexes }
}

interface Moved {
  /** For each worn pack, the packs where what is needed of it is now: digest → size. */
  readonly homes: ReadonlyMap<string, ReadonlyMap<string, number>>
  readonly written: readonly PackListing[]
  readonly storedBytes: number
}

/** Stores what is needed of the worn packs again, each chunk checked on its way, but for what another pack has anyway. */
async function moveNeeded(
  context: Context,
  { worn, elsewhere, needed }: SortedPacks,
  meter: Meter,
  signal?: AbortSignal,
): Promise<Moved> {
  const known = { use: elsewhere.has, parentPacks: worn.size }
  const sink = createChunkSink(context, known, signal)
  try {
    for (const { entries } of worn.values())
      for (const { id } of entries) {
        if (!needed.has(id) || elsewhere.has(id)) continue
        const content = await needed.reader.read(id, maxTreeBytes, signal)
        await sink.store(content)
        meter.addBytes(content.length)
      }
    await sink.finish()
  } finally {
    await sink.settle()
  }
  const { written, storedBytes } = sink.packs
  const fresh = createChunkIndex()
  for (const listing of written) fresh.add(listing)
  const homes = new Map<string, Map<string, number>>()
  for (const { pack, entries } of worn.values()) {
    const found = entries.flatMap(({ id }) => elsewhere.find(id) ?? fresh.find(id) ?? [])
    homes.set(pack, new Map(found.map((home) => [home.pack, home.packBytes])))
  }
  return { homes, written, storedBytes }
}

/** Writes the snapshot another manifest, of the same config, and points to that. */
async function changeOver(
  context: Context,
  { ref, manifest, record }: Surveyed,
  { worn, indexes }: SortedPacks,
  { homes, written }: Moved,
  { begunMs, signal }: { begunMs: number; signal: AbortSignal | undefined },
): Promise<void> {
  const { store, format } = context
  const kept = new Map(
    manifest.packs.filter((pack) => !worn.has(digestOf(pack))).map((pack) => [digestOf(pack), pack.size]),
  )
  const packs = new Map(kept)
  for (const pack of manifest.packs)
    for (const [home, size] of homes.get(digestOf(pack)) ?? []) packs.set(home, size)
  const borrowed = [...packs.keys()].filter((pack) => !kept.has(pack) && indexes.has(pack))
  const layers = [...packs].map(([pack, size]) => packDescriptor({ pack, size }))
  const olds = distinct([...manifest.indexes, ...borrowed.map((pack) => indexes.get(pack)!)])
  const next = {
    config: manifest.config,
    packs: layers.sort((a, b) => (a.digest < b.digest ? -1 : 1)),
    indexes: await completeIndexes(context, layers, olds, written, signal),
  }
  const descriptor = await putBlob(store, mediaTypes.manifest, [encodeManifest(next, record)], signal)
  const own = new Set(manifest.indexes.map(digestOf))
  const shared = [...borrowed, ...next.indexes.map(digestOf).filter((index) => !own.has(index))]
  const pointer = repackedKey(ref.digest, await store.now(), digestOf(descriptor))
  await commit(
    store,
    { begunMs, shared, graceMs: format.graceMs, signal },
    () => store.put(pointer, [encodeDescriptor(descriptor)], { ifAbsent: true, signal }),
    () => store.delete(pointer),
  )
}

function distinct(descriptors: readonly Descriptor[]): Descriptor[] {
  return [...new Map(descriptors.map((descriptor) => [descriptor.digest, descriptor])).values()]
}
