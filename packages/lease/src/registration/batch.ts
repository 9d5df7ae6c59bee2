import type { Desired } from './desired.ts'

/** etcd refuses more operations in one transaction. */
const maxOperations = 128
/** A third of what etcd takes in one request by default, for keys and comparisons need room too. */
const maxBytes = 512 * 1_024

/** So many transactions are under way at once: while the store writes one, the next is prepared. */
const mostBatches = 4

/** Takes the longest waiting ones out of the set, in as many groups as may be under way, each fit for one transaction. */
export function takeBatches(dirty: Set<Desired>, oneByOne: boolean): Desired[][] {
  const batches: Desired[][] = []
  while (dirty.size > 0 && batches.length < mostBatches) batches.push(takeBatch(dirty, oneByOne))
  return batches
}

function takeBatch(dirty: Set<Desired>, oneByOne: boolean): Desired[] {
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
