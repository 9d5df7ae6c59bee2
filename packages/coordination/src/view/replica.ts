import { compareKeys, lowerBound } from '../keys.ts'
import type { Entry, Header, RangeResult, WatchBatch } from '../store.ts'
import { isSame, type KeyChange, keyChange, type ResyncReason, type ViewChange } from './change.ts'

/** A copy of the selected keys, as of one revision. Pure data: it knows neither the store nor time. */
export interface Replica extends Header {
  /** Rises with each snapshot adopted: answers to what was asked in an older generation compare with nothing. */
  readonly generation: number
  readonly size: number
  get(key: string): Entry | undefined
  /** In key order; the same array until something changes, and never changed itself. */
  entries(): readonly Entry[]
  /** Takes over a snapshot of the same keys, whatever was here before, and tells how that differs if there is a reason to. */
  adopt(snapshot: RangeResult, resync: ResyncReason | undefined): ViewChange | undefined
  /** Applies one revision, or a progress notice, of this cluster. What is not after `revision` has no effect. */
  apply(batch: WatchBatch): ViewChange | undefined
  /** Whether what a batch of the revision shown tells is what stands here. */
  holds(batch: WatchBatch): boolean
}

export function createReplica(): Replica {
  let entryOf = new Map<string, Entry>()
  /** As of when it was last asked for; somebody may hold it, so it is replaced and never changed. */
  let sorted: readonly Entry[] = []
  /** What has changed since. */
  const changed = new Map<string, Entry | undefined>()
  let clusterId = ''
  let revision = 0
  let generation = 0

  return {
    get clusterId() {
      return clusterId
    },
    get revision() {
      return revision
    },
    get generation() {
      return generation
    },
    get size() {
      return entryOf.size
    },
    get: (key) => entryOf.get(key),
    entries() {
      if (changed.size > 0) sorted = withChanges(sorted, changed)
      changed.clear()
      return sorted
    },
    adopt,
    apply,
    holds: ({ events }) =>
      events.every((event) => {
        if (event.kind === 'delete') return !entryOf.has(event.key)
        const entry = entryOf.get(event.entry.key)
        return entry !== undefined && isSame(entry, event.entry)
      }),
  }

  function adopt(snapshot: RangeResult, resync: ResyncReason | undefined): ViewChange | undefined {
    const before = entryOf
    entryOf = new Map()
    for (const entry of snapshot.entries) entryOf.set(entry.key, entry)
    sorted = [...snapshot.entries]
    changed.clear()
    clusterId = snapshot.clusterId
    revision = snapshot.revision
    generation += 1
    return resync && { revision, keys: difference(before, entryOf), resync }
  }

  function apply(batch: WatchBatch): ViewChange | undefined {
    if (batch.revision <= revision) return undefined
    revision = batch.revision
    const keys: KeyChange[] = []
    for (const event of batch.events) {
      const key = event.kind === 'put' ? event.entry.key : event.key
      const before = entryOf.get(key)
      const after = event.kind === 'put' ? event.entry : undefined
      const change = keyChange(key, before, after)
      if (change) keys.push(change)
      store(key, before, after)
    }
    return keys.length > 0 ? { revision, keys } : undefined
  }

  function store(key: string, before: Entry | undefined, after: Entry | undefined): void {
    if (!before && !after) return
    if (after) entryOf.set(key, after)
    else entryOf.delete(key)
    changed.set(key, after)
  }
}

/** With more changes than this, one pass over all is cheaper than a place sought for each. */
const mostSought = 8

/** A new list in key order: `undefined` where a key is gone. */
function withChanges(sorted: readonly Entry[], changed: ReadonlyMap<string, Entry | undefined>): Entry[] {
  if (changed.size > mostSought) return merged(sorted, changed)
  const list = [...sorted]
  for (const [key, after] of changed) {
    const place = lowerBound(list, key, (entry) => entry.key)
    list.splice(place, list[place]?.key === key ? 1 : 0, ...(after ? [after] : []))
  }
  return list
}

function merged(sorted: readonly Entry[], changed: ReadonlyMap<string, Entry | undefined>): Entry[] {
  const news = [...changed].sort(([left], [right]) => compareKeys(left, right))
  const list: Entry[] = []
  let next = 0
  for (const entry of sorted) {
    for (; next < news.length && compareKeys(news[next]![0], entry.key) < 0; next += 1) take(news[next]![1])
    if (!changed.has(entry.key)) list.push(entry)
  }
  for (; next < news.length; next += 1) take(news[next]![1])
  return list

  function take(entry: Entry | undefined): void {
    if (entry) list.push(entry)
  }
}

function difference(before: ReadonlyMap<string, Entry>, after: ReadonlyMap<string, Entry>): KeyChange[] {
  const changes: KeyChange[] = []
  for (const [key, entry] of before) note(keyChange(key, entry, after.get(key)))
  for (const [key, entry] of after) if (!before.has(key)) note(keyChange(key, undefined, entry))
  return changes

  function note(change: KeyChange | undefined): void {
    if (change) changes.push(change)
  }
}

/** Whether two lists in key order hold the same entries. */
export function isSameList(left: readonly Entry[], right: readonly Entry[]): boolean {
  return (
    left.length === right.length &&
    left.every((entry, index) => {
      const other = right[index]!
      return entry.key === other.key && isSame(entry, other)
    })
  )
}
