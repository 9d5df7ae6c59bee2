import { expect } from 'vitest'
import type { MemoryServer } from '../memory/server.ts'
import { createWatcher } from '../memory/watcher.ts'
import type { Entry, WatchEvent } from '../store.ts'
import { isSame, type KeyChange, type ViewChange } from './change.ts'
import type { View } from './view.ts'

/** All that ever stood in the store below `v/`, and since when: what a view is judged by. */
export interface Truth {
  /** Notes what was written since; `truth` does so by itself at every write, too. */
  update(): void
  opened(view: View): void
  /** A change is one revision of the store, none was left out before it, and a view is at it. */
  checkTold(view: View, change: ViewChange): void
  /** What the view shows stood in the store within the last `staleMs`. */
  checkShown(view: View): void
  moment(): number
  /** What the view shows stood in the store at that moment or later. */
  checkSince(view: View, moment: number): void
  /** A revision that many back, if history is kept from there. */
  before(by: number): number
  close(): void
}

interface State {
  readonly sinceMs: number
  readonly content: string
}

export function createTruth(server: MemoryServer, now: () => number): Truth {
  const states: State[] = []
  /** By cluster and revision: the keys of its events, in each timeline that had one. */
  const log = new Map<string, Set<string>>()
  let content = new Map<string, Entry>()
  let seen = server.header
  let rolledBack = false
  let told = seen
  let watching = true
  note()
  void watch()

  return {
    update,
    opened: (view) => {
      told = { clusterId: view.clusterId, revision: view.revision }
    },
    checkTold,
    checkShown: (view) =>
      check(view, (state, until) => until >= now() - view.staleMs || state === states.at(-1)),
    moment() {
      update()
      return states.length - 1
    },
    checkSince: (view, moment) => check(view, (state) => states.indexOf(state) >= moment),
    before: (by) => Math.max(1, server.history.compactRevision, server.header.revision - by),
    close() {
      watching = false
    },
  }

  function update(): void {
    const { clusterId, revision } = server.header
    if (clusterId !== seen.clusterId || revision < seen.revision) {
      rolledBack ||= clusterId === seen.clusterId
      content = new Map(server.history.range({ prefix: 'v/' }, revision).map((entry) => [entry.key, entry]))
      if (clusterId === seen.clusterId) seen = server.header
      else seen = { clusterId, revision: 1 }
      note()
    }
    for (let at = seen.revision + 1; at <= revision; at += 1)
      apply(clusterId, at, server.history.eventsAt(at))
    seen = server.header
  }

  function apply(clusterId: string, at: number, events: readonly WatchEvent[]): void {
    const keys: string[] = []
    for (const event of events) {
      const key = event.kind === 'put' ? event.entry.key : event.key
      if (!key.startsWith('v/')) continue
      keys.push(key)
      if (event.kind === 'put') content.set(key, event.entry)
      else content.delete(key)
    }
    const name = `${clusterId}@${at}`
    log.set(name, (log.get(name) ?? new Set()).add(keys.sort().join()))
    note()
  }

  function note(): void {
    states.push({ sinceMs: now(), content: shown([...content.values()]) })
  }

  /** Updates at the very moment of each write, so that its time is known. */
  async function watch(): Promise<void> {
    while (watching) {
      const watcher = createWatcher({
        history: server.history,
        clusterId: server.header.clusterId,
        selection: { prefix: '' },
        fromRevision: server.header.revision + 1,
        onEnd: () => {},
      })
      const { history } = server
      while (watching && server.history === history) {
        if ((await Promise.race([watcher.batches.next(), nextTurn()])) !== undefined) update()
        watcher.batches.wake()
      }
    }
  }

  function checkTold(view: View, { revision, keys, resync }: ViewChange): void {
    expect(view.revision).toBe(revision)
    const { clusterId } = view
    if (!resync) {
      expect(revision).toBeGreaterThan(told.revision)
      const names = keys.map(({ key }) => key).sort()
      const logged = [...(log.get(`${clusterId}@${revision}`) ?? [])]
      // Until a rollback is found out, what the new past tells may miss what the old one had.
      if (rolledBack)
        expect(logged.some((line) => names.every((name) => line.split(',').includes(name)))).toBe(true)
      else expect(logged).toContain(names.join())
      for (let at = told.revision + 1; at < revision && !rolledBack; at += 1)
        expect([...(log.get(`${clusterId}@${at}`) ?? [])].join(), `left out ${at}`).toBe('')
    }
    told = { clusterId, revision }
  }

  function check(view: View, isIn: (state: State, untilMs: number) => boolean): void {
    const now = shown(view.entries())
    const possible = states.filter((state, index) =>
      isIn(state, states[index + 1]?.sinceMs ?? Number.POSITIVE_INFINITY),
    )
    expect(possible.map((state) => state.content)).toContain(now)
  }
}

function shown(entries: readonly Entry[]): string {
  const lines = entries.map(
    ({ key, modRevision, version, value }) => `${key}@${modRevision}/${version}:${value}`,
  )
  return lines.sort().join(' ')
}

function nextTurn(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(() => resolve(undefined)))
}

/** What a consumer of changes believes. Each change must begin with what it believed. */
export interface Mirror {
  apply(change: ViewChange): void
  check(view: View): void
}

export function createMirror(view: View): Mirror {
  const believed = new Map(view.entries().map((entry) => [entry.key, entry]))
  return {
    apply({ keys }) {
      expect(new Set(keys.map(({ key }) => key)).size).toBe(keys.length)
      for (const change of keys) applyKey(believed, change)
    },
    check(shownBy) {
      const sorted = [...believed.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
      expect(sorted).toEqual(shownBy.entries())
    },
  }
}

function applyKey(believed: Map<string, Entry>, change: KeyChange): void {
  const before = believed.get(change.key)
  if (change.kind === 'added') expect(before).toBe(undefined)
  else expect(before !== undefined && isSame(before, change.before)).toBe(true)
  if (change.kind === 'removed') believed.delete(change.key)
  else believed.set(change.key, change.after)
}

/** Reads `changes()` only when told to. */
export interface Consumer {
  read(): Promise<void>
  drain(): Promise<void>
}

export function createConsumer(view: View, maxPending: number): Consumer {
  const mirror = createMirror(view)
  const changes = view.changes({ maxPending })
  let next: Promise<IteratorResult<ViewChange>> | undefined

  return {
    async read() {
      await take()
    },
    async drain() {
      for (let turns = 0; (await take()) && turns < 10_000; turns += 1);
      mirror.check(view)
    },
  }

  /** Whether there was one in this turn. */
  async function take(): Promise<boolean> {
    next ??= changes.next()
    const result = await Promise.race([next, nextTurn()])
    if (!result || result.done) return false
    next = undefined
    mirror.apply(result.value)
    return true
  }
}
