import { lowerBound } from '../keys.ts'
import type { Entry, Operation, Outcome, Selection, WatchEvent } from '../store.ts'

/**
 * Keys with all their past: etcd's multi-version store, as a plain data structure.
 *
 * It knows no clock, no lease's life and no caller: the lists and values that go in
 * and come out are its own, to be copied at the border. Revisions start at 1, with
 * nothing stored.
 */
export interface History {
  readonly revision: number
  /** History before this revision is gone; 0 when nothing was compacted. */
  readonly compactRevision: number
  readonly size: number
  latest(key: string): Entry | undefined
  /** What stood there at a revision within [compactRevision, revision], in key order. */
  range(selection: Selection, revision: number): Entry[]
  /** The same, of entries put at a revision or later, and how many there are in all. */
  select(selection: Selection, revision: number, minModRevision: number): Selected
  /** Applies the operations in their order, each seeing those before it. Raises the revision by one if they changed anything. */
  apply(operations: readonly Operation[]): { outcomes: Outcome[]; events: readonly WatchEvent[] }
  /** The events of one revision within [compactRevision, revision]. */
  eventsAt(revision: number): readonly WatchEvent[]
  compact(revision: number): void
  /** Forgets all that came after a revision, as a restore from a backup does. */
  rollback(revision: number): void
}

export interface Selected {
  readonly entries: Entry[]
  readonly count: number
}

/** A key's life, oldest first; a version without an entry is a deletion. */
interface KeyHistory {
  readonly key: string
  versions: { readonly revision: number; readonly entry?: Entry }[]
}

export function createHistory(): History {
  const byKey = new Map<string, KeyHistory>()
  const sorted: KeyHistory[] = []
  /** Events by revision, from `firstLogged` on. */
  let log: (readonly WatchEvent[])[] = []
  let firstLogged = 2
  let revision = 1
  let compactRevision = 0
  let size = 0

  return {
    get revision() {
      return revision
    },
    get compactRevision() {
      return compactRevision
    },
    get size() {
      return size
    },
    latest: (key) => byKey.get(key)?.versions.at(-1)?.entry,
    range,
    select,
    apply,
    eventsAt: (at) => log[at - firstLogged] ?? [],
    compact,
    rollback,
  }

  function range(selection: Selection, at: number): Entry[] {
    return select(selection, at).entries
  }

  function select(selection: Selection, at: number, minModRevision = 0): Selected {
    const entries: Entry[] = []
    let count = 0
    const { list, begin, end } = placeOf(selection)
    for (let index = begin; index < end; index += 1) {
      const entry = entryAt(list[index]!, at)
      if (!entry) continue
      count += 1
      if (entry.modRevision >= minModRevision) entries.push(entry)
    }
    return { entries, count }
  }

  /** Where the selected keys stand, side by side. */
  function placeOf(selection: Selection): { list: readonly KeyHistory[]; begin: number; end: number } {
    if ('prefix' in selection) {
      const begin = lowerBound(sorted, selection.prefix, keyOf)
      return { list: sorted, begin, end: endOfPrefix(sorted, selection.prefix, begin) }
    }
    const history = byKey.get(selection.key)
    return { list: history ? [history] : [], begin: 0, end: history ? 1 : 0 }
  }

  function apply(operations: readonly Operation[]): { outcomes: Outcome[]; events: readonly WatchEvent[] } {
    const events: WatchEvent[] = []
    const outcomes = operations.map((operation): Outcome => {
      if (operation.kind === 'range')
        return { kind: 'range', entries: range(operation.at, Number.POSITIVE_INFINITY) }
      if (operation.kind === 'delete') return { kind: 'delete', deleted: remove(operation.at, events) }
      events.push({ kind: 'put', entry: put(operation) })
      return { kind: 'put' }
    })
    if (events.length > 0) {
      log.push(events)
      revision += 1
    }
    return { outcomes, events }
  }

  function put({ key, value, leaseId }: Operation & { kind: 'put' }): Entry {
    const modRevision = revision + 1
    const history = historyOf(key)
    const before = history.versions.at(-1)?.entry
    const entry: Entry = {
      key,
      value,
      createRevision: before?.createRevision ?? modRevision,
      modRevision,
      version: (before?.version ?? 0) + 1,
      ...(leaseId === undefined ? {} : { leaseId }),
    }
    if (!before) size += 1
    history.versions.push({ revision: modRevision, entry })
    return entry
  }

  function remove(selection: Selection, events: WatchEvent[]): number {
    const modRevision = revision + 1
    const { list, begin, end } = placeOf(selection)
    const living = list.slice(begin, end).filter((history) => history.versions.at(-1)?.entry)
    for (const { key, versions } of living) {
      versions.push({ revision: modRevision })
      events.push({ kind: 'delete', key, modRevision })
    }
    size -= living.length
    return living.length
  }

  function historyOf(key: string): KeyHistory {
    const known = byKey.get(key)
    if (known) return known
    const history: KeyHistory = { key, versions: [] }
    byKey.set(key, history)
    sorted.splice(lowerBound(sorted, key, keyOf), 0, history)
    return history
  }

  function compact(at: number): void {
    prune((versions) => versionsAfterCompaction(versions, at))
    log = log.slice(Math.max(0, at - firstLogged))
    firstLogged = Math.max(firstLogged, at)
    compactRevision = at
    // etcd 3.4 keeps the puts of the compacted revision but not its deletions (etcd-io/etcd#18089).
    if (log.length > 0 && firstLogged === at) log[0] = log[0]!.filter((event) => event.kind === 'put')
  }

  function rollback(to: number): void {
    prune((versions) => versions.filter((version) => version.revision <= to))
    log = log.slice(0, Math.max(0, to + 1 - firstLogged))
    revision = to
    size = sorted.filter((history) => history.versions.at(-1)?.entry).length
  }

  function prune(keep: (versions: KeyHistory['versions']) => KeyHistory['versions']): void {
    for (const history of sorted) {
      history.versions = keep(history.versions)
      if (history.versions.length === 0) byKey.delete(history.key)
    }
    const left = sorted.filter((history) => history.versions.length > 0)
    sorted.splice(0, sorted.length)
    for (const history of left) sorted.push(history)
  }
}

function keyOf(history: KeyHistory): string {
  return history.key
}

/** What stood at a revision; most reads are of the present, so the search begins there. */
function entryAt({ versions }: KeyHistory, revision: number): Entry | undefined {
  for (let index = versions.length - 1; index >= 0; index -= 1) {
    const version = versions[index]!
    if (version.revision <= revision) return version.entry
  }
  return undefined
}

/** Where the keys with a prefix end that begin at `begin`: keys with one prefix stand side by side. */
function endOfPrefix(sorted: readonly KeyHistory[], prefix: string, begin: number): number {
  let low = begin
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]!.key.startsWith(prefix)) low = middle + 1
    else high = middle
  }
  return low
}

/** The version that stood at the compacted revision, unless it was a deletion, and all later ones. */
function versionsAfterCompaction(versions: KeyHistory['versions'], at: number): KeyHistory['versions'] {
  const standing = versions.findLastIndex((version) => version.revision <= at)
  if (standing < 0) return versions
  return versions.slice(versions[standing]?.entry ? standing : standing + 1)
}
