import { type Context, listRefs } from '../context.ts'
import { uniqueId } from '../durable.ts'
import { snapshotError } from '../errors.ts'
import { blobKey, parseRepacked } from '../format/layout.ts'
import { digestOf } from '../format/manifest.ts'
import type { OperationOptions } from '../snapshot.ts'
import type { BlobStore, ListedObject } from '../store/store.ts'
import { encodeTombstones, readTombstones, tombstoneKey } from './tombstones.ts'

export type CollectOptions = Pick<OperationOptions, 'signal'> & {
  /** Only tells what would be marked and deleted. @default false */
  dryRun?: boolean
}

export interface CollectResult {
  /** Objects that nothing points to and that the next collection after the grace period may delete. */
  readonly marked: number
  readonly markedBytes: number
  /** Objects that were marked for the grace period, and are gone now. */
  readonly deleted: number
  readonly deletedBytes: number
}

interface Unreachable extends ListedObject {
  readonly digest: string
}

/**
 * Marks what no snapshot needs once it has had its grace period, and deletes what was marked
 * for another grace period and is needed by none still. All times are by the store's clock.
 *
 * Two that run at the same time do no harm, nor does one that dies: marks only permit, and what
 * is reachable is worked out anew before each deletion. A blob that was written again since it
 * was marked, as a copy may, is spared. Where any snapshot's manifest cannot be read, nothing is deleted.
 */
export async function collect(
  context: Context,
  { signal, dryRun = false }: CollectOptions,
): Promise<CollectResult> {
  const { store, format } = context
  if (!store.supports.delete) throw snapshotError('STORE_UNSUPPORTED', `${store.description} cannot delete`)
  const nowMs = await store.now()
  const pointers = await listObjects(store, 'repacked/', signal)
  // Marks first, refs later: a backup that is published in between has seen the marks.
  const lists = await readTombstones(store, signal)
  const { unreachable, snapshots } = await survey(context, signal)
  const ripe = lists.filter(({ markedMs }) => nowMs - markedMs > format.graceMs)
  const marked = new Set(lists.flatMap(({ digests }) => [...digests]))

  const fresh = unreachable.filter(
    ({ digest, modifiedMs }) => !marked.has(digest) && nowMs - modifiedMs > format.graceMs,
  )
  const condemned = unreachable.filter(({ digest, modifiedMs }) =>
    ripe.some(({ digests, markedMs }) => digests.has(digest) && modifiedMs < markedMs),
  )
  if (!dryRun) {
    await mark()
    for (const { key } of condemned) await remove(key)
    for (const { key } of ripe) await remove(key)
    for (const { key, modifiedMs } of outdated(pointers, snapshots))
      if (nowMs - modifiedMs > format.graceMs) await remove(key)
  }
  return {
    marked: fresh.length,
    markedBytes: bytesOf(fresh),
    deleted: condemned.length,
    deletedBytes: bytesOf(condemned),
  }

  async function mark(): Promise<void> {
    if (fresh.length === 0) return
    const list = encodeTombstones(fresh.map(({ digest }) => digest))
    await store.put(tombstoneKey(nowMs, uniqueId()), [list], { ifAbsent: true, signal })
  }

  async function remove(key: string): Promise<void> {
    signal?.throwIfAborted()
    await store.delete(key, { signal })
  }
}

/** Blobs listed before the refs are read: one that is written and published meanwhile is either not listed or reached. */
async function survey(
  { store, objects }: Context,
  signal?: AbortSignal,
): Promise<{ unreachable: Unreachable[]; snapshots: ReadonlySet<string> }> {
  const blobs = await listObjects(store, blobKey(''), signal)
  const refs = await listRefs(store, undefined, signal)
  const snapshots = new Set(refs.map(({ digest }) => digest))
  const reached = new Set(snapshots)
  for (const snapshot of snapshots) {
    const { digest, config, packs, indexes } = await objects.manifest(snapshot, signal)
    reached.add(digest)
    for (const blob of [config, ...packs, ...indexes]) reached.add(digestOf(blob))
  }
  const unreachable = blobs
    .map((object) => ({ ...object, digest: object.key.slice(blobKey('').length) }))
    .filter(({ digest }) => !reached.has(digest))
  return { unreachable, snapshots }
}

async function listObjects(store: BlobStore, prefix: string, signal?: AbortSignal): Promise<ListedObject[]> {
  const found: ListedObject[] = []
  for await (const object of store.list(prefix, { signal })) found.push(object)
  return found
}

/** Pointers of snapshots that are forgotten, and those that a newer one stands above. */
function outdated(pointers: readonly ListedObject[], snapshots: ReadonlySet<string>): ListedObject[] {
  const newest = new Map<string, string>()
  for (const { key } of [...pointers].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    const found = parseRepacked(key)
    if (found && snapshots.has(found.snapshot)) newest.set(found.snapshot, key)
  }
  const current = new Set(newest.values())
  return pointers.filter(({ key }) => !current.has(key))
}

function bytesOf(objects: readonly ListedObject[]): number {
  return objects.reduce((sum, { size }) => sum + size, 0)
}
