import { isId, parseObject } from '../format/tree.ts'
import type { BlobStore } from '../store/store.ts'

const prefix = 'gc/'

/** Blobs that `collect` marked, and will delete once they have been marked for the grace period. */
export interface TombstoneList {
  readonly key: string
  /** When it was written, by the store's clock. */
  readonly markedMs: number
  readonly digests: ReadonlySet<string>
}

export function encodeTombstones(digests: readonly string[]): Uint8Array {
  return Buffer.from(JSON.stringify({ version: 1, digests }))
}

export function tombstoneKey(timeMs: number, id: string): string {
  return `${prefix}${new Date(timeMs).toISOString().replace(/[-:.]/g, '')}-${id}`
}

export async function readTombstones(store: BlobStore, signal?: AbortSignal): Promise<TombstoneList[]> {
  const lists: TombstoneList[] = []
  for await (const { key, modifiedMs } of store.list(prefix, { signal })) {
    const bytes = await store.get(key, { signal })
    if (!bytes) continue
    const { digests } = parseObject(bytes)
    lists.push({
      key,
      markedMs: modifiedMs,
      digests: new Set(Array.isArray(digests) ? digests.filter(isId) : []),
    })
  }
  return lists
}

export async function tombstonedBlobs(store: BlobStore, signal?: AbortSignal): Promise<Set<string>> {
  const lists = await readTombstones(store, signal)
  return new Set(lists.flatMap(({ digests }) => [...digests]))
}
