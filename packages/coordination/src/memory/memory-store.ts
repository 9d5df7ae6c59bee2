import {
  type Clock,
  checkInteger,
  checkMethods,
  type Stats,
  systemClock,
  type WaitOptions,
} from '@holdfast/core'
import { coordinationError } from '../errors.ts'
import type { CoordinationStore, Selection, Watch, WatchOptions } from '../store.ts'
import { createMemoryServer, type MemoryServer } from './server.ts'
import type { Watcher } from './watcher.ts'

/** A store in this process, with what an operator of a real one can do to it. */
export interface MemoryStore extends CoordinationStore {
  /** Another client on the same data, with a lifecycle of its own. The data lives as long as anyone holds a client. */
  connect(): CoordinationStore
  /** Forgets history before a revision, by default all of it, as etcd 3.4 does: a deletion at that very revision goes with it. Idempotent. */
  compact(revision?: number): void
  /** Goes back to a revision, as a restore from a backup does: same cluster, watches break, leases start their time again. */
  rollback(revision: number): void
  /** An empty store in the place of this one: another cluster, revisions start over, watches break. */
  wipe(): void
}

export interface MemoryStoreOptions {
  /** Judges when leases expire. @default systemClock */
  clock?: Clock
  /** How many revisions of history are kept at least; older ones are compacted away now and then. @default 10_000 */
  retainRevisions?: number
}

/**
 * A coordination store with etcd's semantics in the memory of this process: for
 * tests, for a laptop, and for an agent that is alone. Nothing survives the process.
 *
 * Each call is applied when it is made, and answers a microtask later. Leases are
 * granted for whole seconds, at least 2 s, and expire by the injected clock.
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const clock = checkMethods('clock', options.clock ?? systemClock, ['now', 'sleep'])
  const retainRevisions = checkInteger('retainRevisions', options.retainRevisions ?? 10_000, { min: 1 })
  return memoryStoreOn(createMemoryServer({ clock, retainRevisions }))
}

export function memoryStoreOn(server: MemoryServer): MemoryStore {
  return {
    ...connect(server),
    connect: () => connect(server),
    compact: server.compact,
    rollback: server.rollback,
    wipe: server.wipe,
  }
}

function connect(server: MemoryServer): CoordinationStore {
  const watchers = new Set<Watcher>()
  let closed = false
  server.attach()

  return {
    range: (selection, options = {}) => call(options, () => server.range(selection, options)),
    transact: (transaction, options) => call(options, () => server.transact(transaction)),
    watch: (selection, options = {}) => call(options, () => watch(selection, options)),
    grantLease: (ttlMs, options) => call(options, () => server.grantLease(ttlMs)),
    keepAlive: (leaseId, options) => call(options, () => server.keepAlive(leaseId)),
    revokeLease: (leaseId, options) => call(options, () => server.revokeLease(leaseId)),
    stats,
    close,
    [Symbol.asyncDispose]: close,
  }

  async function call<T>(options: WaitOptions | undefined, apply: () => T): Promise<T> {
    if (closed) throw storeClosed()
    options?.signal?.throwIfAborted()
    return apply()
  }

  function watch(selection: Selection, options: WatchOptions): Watch {
    const watcher = server.watch(selection, options, (ended) => watchers.delete(ended))
    watchers.add(watcher)
    const end = async (): Promise<void> => watcher.batches.end()
    return {
      started: server.header,
      [Symbol.asyncIterator]: () => watcher.batches,
      close: end,
      [Symbol.asyncDispose]: end,
    }
  }

  async function close(): Promise<void> {
    if (closed) return
    closed = true
    server.detach()
    for (const watcher of [...watchers]) watcher.batches.end(storeClosed())
  }

  function stats(): Stats {
    return {
      store_revision: gauge('Revision of the store', server.history.revision),
      store_keys: gauge('Keys in the store', server.history.size),
      store_leases: gauge('Leases that have not ended', server.leases.size),
      store_watches: gauge('Open watches of all clients', server.watchers.size),
    }
  }
}

function gauge(help: string, value: number): Stats[string] {
  return { kind: 'gauge', help, value }
}

function storeClosed(): Error {
  return coordinationError('STORE_CLOSED', 'the store was closed: open a new one')
}
