import type { Entry } from '../store.ts'

/** One step of a view: what one revision changed, or, where `resync` is set, how what the view had differs from what it has now. */
export interface ViewChange {
  /** The view's revision after it. */
  readonly revision: number
  /** At most one for each key. A resync may find none: then nothing that stands has changed. */
  readonly keys: readonly KeyChange[]
  /** Why steps in between are not told one by one. Absent in the normal case. */
  readonly resync?: ResyncReason
}

export type KeyChange =
  | { readonly kind: 'added'; readonly key: string; readonly after: Entry }
  | { readonly kind: 'changed'; readonly key: string; readonly before: Entry; readonly after: Entry }
  | { readonly kind: 'removed'; readonly key: string; readonly before: Entry }

/**
 * `compacted`: the history needed was gone. `rolled-back`: the store was restored to an older
 * revision. `replaced`: another cluster answered. `diverged`: a read proved that the watch had
 * left something out. `lagged`: this consumer was too slow, so its changes were put together.
 */
export type ResyncReason = 'compacted' | 'rolled-back' | 'replaced' | 'diverged' | 'lagged'

/** How one key's entry became another; undefined where both are the same or absent. */
export function keyChange(
  key: string,
  before: Entry | undefined,
  after: Entry | undefined,
): KeyChange | undefined {
  if (before && after) return isSame(before, after) ? undefined : { kind: 'changed', key, before, after }
  if (after) return { kind: 'added', key, after }
  return before && { kind: 'removed', key, before }
}

/** Compares bytes too: after a rollback, one revision may stand for two values. */
export function isSame(left: Entry, right: Entry): boolean {
  return (
    left.modRevision === right.modRevision &&
    left.createRevision === right.createRevision &&
    left.version === right.version &&
    left.leaseId === right.leaseId &&
    Buffer.compare(left.value, right.value) === 0
  )
}
