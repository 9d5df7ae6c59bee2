import { isHoldfastError } from '@holdfast/core'
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
    lists.push({ key, markedMs: modifiedMs, digests: new Set(digestsOf(bytes)) })
  }
  return lists
}

/** None where the list is damaged: it permits no deletion then, and must not keep a backup from being taken. */
function digestsOf(list: Uint8Array): string[] {
  try {
    const { digests } = parseObject(list)
    return Array.isArray(digests) ? digests.filter(isId) : []
  } catch (error) {
    if (isHoldfastError(error, 'SNAPSHOT_REFUSED')) return []
    throw error
  }
}

export async function tombstonedBlobs(store: BlobStore, signal?: AbortSignal): Promise<Set<string>> {
  const lists = await readTombstones(store, signal)
  return new Set(lists.flatMap(({ digests }) => [...digests]))
}
