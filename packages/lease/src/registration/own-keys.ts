import { type Entry, openView, type Selection, type View, type ViewChange } from '@holdfast/coordination'
import { isHoldfastError, retry } from '@holdfast/core'
import type { SessionParts } from '../session/parts.ts'

/** Tells what stands at our own keys whenever that changes, without gaps. */
export interface OwnKeys {
  /** What a view of it knows already is told at once, unless the key is watched: all of that was told. */
  watch(key: string): void
  unwatch(key: string): void
  close(): Promise<void>
}

/** `isResync`: it was read anew, and revisions of before may not compare with this one. */
export type Observe = (key: string, entry: Entry | undefined, revision: number, isResync: boolean) => void

/** The keys under one prefix. */
interface Group {
  readonly keys: Set<string>
  readonly views: Map<string, Watching>
}

interface Watching {
  readonly stop: AbortController
  readonly ended: Promise<void>
  view: View | undefined
  /** How often its watch was opened anew. */
  connections: number
}

/** With more keys than this under one prefix, one watch of the prefix is cheaper than one for each. */
const mostSingleKeys = 16
/** The view also reads and compares now and then: etcd may leave out a deletion at a compaction (etcd-io/etcd#18089). */
const antiEntropyMs = 60_000

export function createOwnKeys(parts: SessionParts, observe: Observe): OwnKeys {
  const groups = new Map<string, Group>()
  return { watch, unwatch, close }

  function watch(key: string): void {
    const prefix = key.slice(0, key.lastIndexOf('/') + 1)
    const group = groups.get(prefix) ?? { keys: new Set(), views: new Map() }
    groups.set(prefix, group)
    const isNew = !group.keys.has(key)
    group.keys.add(key)
    const selection = group.keys.size > mostSingleKeys ? { prefix } : { key }
    const place = 'key' in selection ? key : prefix
    const known = group.views.get(place)
    if (!known) group.views.set(place, follow(selection, group))
    else if (known.view && isNew) look(known.view, [key], false)
  }

  function unwatch(key: string): void {
    const prefix = key.slice(0, key.lastIndexOf('/') + 1)
    const group = groups.get(prefix)
    if (!group) return
    group.keys.delete(key)
    const isLast = group.keys.size === 0
    if (isLast) groups.delete(prefix)
    for (const [place, { stop }] of group.views)
      if (isLast || place === key) {
        group.views.delete(place)
        stop.abort()
      }
  }

  function follow(selection: Selection, group: Group): Watching {
    const stop = new AbortController()
    const watching: Watching = { stop, view: undefined, connections: 0, ended: run() }
    return watching

    async function run(): Promise<void> {
      const signal = AbortSignal.any([stop.signal, parts.closing])
      const view = await open(selection, signal)
      if (!view) return
      const watched = 'key' in selection ? [selection.key] : group.keys
      watching.view = view
      view.on('changed', (change) => tell(view, change, group, watched))
      view.on('disconnected', (error) => parts.fail(error, 'watch'))
      view.on('connected', () => void lookAgain(watching, [...watched], group, signal))
      look(view, watched, true)
      await parts.clock.sleep(Number.POSITIVE_INFINITY, signal)
      await view.close()
    }
  }

  async function open(selection: Selection, signal: AbortSignal): Promise<View | undefined> {
    const { store, clock, random, backoff } = parts
    const knobs = { maxStaleMs: antiEntropyMs, antiEntropyMs, clock, random, signal }
    try {
      return await retry(() => openView(store, { ...selection, ...knobs }), {
        attempts: Number.POSITIVE_INFINITY,
        shouldRetry: (error) => !isHoldfastError(error, 'STORE_CLOSED'),
        onRetry: ({ error }) => parts.fail(error, 'watch'),
        ...{ signal, clock, random, backoff },
      })
    } catch (error) {
      if (!signal.aborted) parts.fail(error, 'watch')
      return undefined
    }
  }

  /**
   * A store restored from a backup may lack what we put and the watch had not told: to the view nothing
   * has changed then. So once it is proven to hold all that stands, each key is looked at.
   */
  async function lookAgain(
    watching: Watching,
    keys: readonly string[],
    group: Group,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, random, backoff } = parts
    const { view } = watching
    watching.connections += 1
    const number = watching.connections
    try {
      await retry(async () => view?.confirm({ signal }), {
        attempts: Number.POSITIVE_INFINITY,
        // The next connection does it then.
        shouldRetry: () => watching.connections === number && view?.status !== 'closed',
        ...{ signal, clock, random, backoff },
      })
    } catch (error) {
      if (!signal.aborted && watching.connections === number) parts.fail(error, 'watch')
      return
    }
    const kept = keys.filter((key) => group.keys.has(key))
    if (view) look(view, kept, true)
  }

  function look(view: View, keys: Iterable<string>, isResync: boolean): void {
    for (const key of keys) observe(key, view.get(key), view.revision, isResync)
  }

  /**
   * After a gap each key is looked at, the unchanged ones too: what is missing now as it was before
   * the gap may have been put by us in between, which is not known to the view.
   */
  function tell(view: View, { keys, resync }: ViewChange, group: Group, watched: Iterable<string>): void {
    const changed = keys.map(({ key }) => key).filter((key) => group.keys.has(key))
    look(view, resync ? watched : changed, resync !== undefined)
  }

  async function close(): Promise<void> {
    const all = [...groups.values()].flatMap((group) => [...group.views.values()])
    for (const { stop } of all) stop.abort()
    await Promise.all(all.map(({ ended }) => ended))
  }
}
