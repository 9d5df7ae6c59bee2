import { createPull, type Pull } from '../pull.ts'
import type { Entry } from '../store.ts'
import { keyChange, type ViewChange } from './change.ts'

/** One consumer's changes, in memory that has a bound however slow it is. */
export interface Feed {
  readonly changes: Pull<ViewChange>
  push(change: ViewChange): void
}

export interface FeedOptions {
  /** So many changes wait one by one; with one more they become a single difference. */
  maxPending: number
  /** What stands now. */
  get: (key: string) => Entry | undefined
  revision: () => number
  onEnd: (feed: Feed) => void
}

/** Entries by key as a consumer last knew them; undefined where it knew none. */
type Knowledge = Map<string, Entry | undefined>

/**
 * Queues changes; when too many wait, it keeps only what the consumer last knew
 * of each key that changed since, and tells the difference to the present when
 * asked. Its memory is bounded by `maxPending` changes, and then by the keys that
 * the consumer knows and those that stand.
 */
export function createFeed({ maxPending, get, revision, onEnd }: FeedOptions): Feed {
  let pending: ViewChange[] = []
  /** What the consumer knows of the keys that changed since; undefined while it keeps up. */
  let known: Knowledge | undefined
  const feed: Feed = { changes: createPull(take, () => onEnd(feed)), push }
  return feed

  function push(change: ViewChange): void {
    pending.push(change)
    if (known || pending.length > maxPending) {
      known = remember(known ?? new Map(), pending)
      pending = []
    }
    feed.changes.wake()
  }

  function take(): ViewChange | undefined {
    if (!known) return pending.shift()
    const before = known
    known = undefined
    const keys = [...before].flatMap(([key, entry]) => keyChange(key, entry, get(key)) ?? [])
    return { revision: revision(), keys, resync: 'lagged' }
  }

  /** Adds what the consumer knew of the keys that changed; forgets those absent both then and now. */
  function remember(knowledge: Knowledge, changes: readonly ViewChange[]): Knowledge {
    const keys = changes.flatMap((change) => change.keys)
    for (const change of keys)
      if (!knowledge.has(change.key))
        knowledge.set(change.key, change.kind === 'added' ? undefined : change.before)
    for (const { key } of keys) if (!knowledge.get(key) && !get(key)) knowledge.delete(key)
    return knowledge
  }
}
