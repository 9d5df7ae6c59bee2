import type { Desired } from './desired.ts'

/** etcd refuses more operations in one transaction. */
const maxOperations = 128
/** A third of what etcd takes in one request by default, for keys and comparisons need room too. */
const maxBytes = 512 * 1_024

/** Takes the longest waiting ones out of `dirty`, as many as fit in one transaction, but none that is under way already. */
export function takeBatch(
  dirty: Set<Desired>,
  underWay: ReadonlySet<Desired>,
  mostItems: number = maxOperations,
): Desired[] {
  const batch: Desired[] = []
  let bytes = 0
  for (const item of dirty) {
    if (underWay.has(item)) continue
    bytes += item.wish.value?.byteLength ?? 0
    if (batch.length > 0 && (bytes > maxBytes || batch.length === mostItems)) break
    dirty.delete(item)
    batch.push(item)
  }
  return batch
}
