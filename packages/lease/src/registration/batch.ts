import type { Desired } from './desired.ts'

/** etcd refuses more operations in one transaction. */
const maxOperations = 128
/** A third of what etcd takes in one request by default, for keys and comparisons need room too. */
const maxBytes = 512 * 1_024

/** Takes the longest waiting ones, as many as fit one transaction, out of the set. */
export function takeBatch(dirty: Set<Desired>, oneByOne = false): Desired[] {
  const batch: Desired[] = []
  let bytes = 0
  for (const item of dirty) {
    bytes += item.wish.value?.byteLength ?? 0
    if (batch.length > 0 && (oneByOne || bytes > maxBytes || batch.length === maxOperations)) break
    dirty.delete(item)
    batch.push(item)
  }
  return batch
}
