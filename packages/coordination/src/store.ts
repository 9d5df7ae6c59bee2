import type { Running, WaitOptions } from '@holdfast/core'

/**
 * What a coordination store must do: the model of etcd, on which leases,
 * discovery, election and config stand. Adapters prove it with
 * `coordinationStoreCompliance` from `@holdfast/coordination/testing`.
 *
 * **Revisions.** One counter for the whole store. Each transaction that writes
 * raises it by one; all its writes carry that revision. Reads and transactions
 * are linearizable.
 *
 * **Errors.** Every call rejects with a coded error: `STORE_UNAVAILABLE`
 * (retryable: nobody answered in time; a write may have been applied or not,
 * so read before repeating it), `STORE_CLOSED`, `STORE_DENIED`,
 * `STORE_REFUSED` (the store understood and said no: too many operations, a
 * duplicate key), or the ones named below. An aborted call rejects with the
 * signal's reason; whether the store applied it is unknown. No call hangs:
 * adapters put a deadline on each.
 *
 * **Lifecycle.** A store is running when it is handed over. After `close()`
 * every call rejects with `STORE_CLOSED`, open watches reject with it too, and
 * nothing keeps the process alive. Closing does not revoke leases.
 */
export interface CoordinationStore extends Running {
  /** Reads one key or every key under a prefix, in the byte order of keys, as of one revision. */
  range(selection: Selection, options?: RangeOptions): Promise<RangeResult>

  /** Compares, then does the one or the other list of operations, atomically. At most 128 operations a list; no key is written twice. */
  transact(transaction: Transaction, options?: WaitOptions): Promise<TransactionResult>

  /**
   * Every event on the selected keys from a revision on, in order, once, all events of
   * one revision in one batch.
   *
   * Resolves when the store has accepted the watch: from then on nothing is missed. A watch
   * never resumes by itself: at the first doubt (connection, leader or server lost) the
   * iterator rejects with `STORE_UNAVAILABLE`, and with `WATCH_COMPACTED` where the history
   * from that revision is gone (its field `compactRevision` tells from where it is kept, if the
   * store says). Resuming is `openView`'s work. The signal ends the call, not the watch.
   */
  watch(selection: Selection, options?: WatchOptions): Promise<Watch>

  /** Grants a lease. Keys put with it are deleted, in one revision, when it ends. The store may grant a longer time than asked. */
  grantLease(ttlMs: number, options?: WaitOptions): Promise<LeaseGrant>

  /** Renews a lease once. `LEASE_NOT_FOUND` when it expired or was revoked. */
  keepAlive(leaseId: string, options?: WaitOptions): Promise<LeaseGrant>

  /** Ends a lease and deletes its keys. `LEASE_NOT_FOUND` when it is already gone. */
  revokeLease(leaseId: string, options?: WaitOptions): Promise<void>
}

/** One key, or all keys that begin with a prefix (`''` is every key). */
export type Selection = { readonly key: string } | { readonly prefix: string }

/** Which store answered, and the store's revision when it did. */
export interface Header {
  /** Changes when the store was wiped or another one stands in its place: revisions of two clusters do not compare. */
  readonly clusterId: string
  readonly revision: number
}

export interface Entry {
  readonly key: string
  readonly value: Uint8Array
  /** Revision of the put that created the key; a delete and a new put give a new one. */
  readonly createRevision: number
  /** Revision of its latest put. */
  readonly modRevision: number
  /** Puts since it was created, from 1. */
  readonly version: number
  /** The lease that it goes with, if any. */
  readonly leaseId?: string
}

export interface RangeOptions extends WaitOptions {
  /** Read the past as of this revision; `WATCH_COMPACTED` when it is gone. @default the latest */
  readonly revision?: number
  /** At most so many entries, ≥ 1. @default no limit */
  readonly limit?: number
  /** Only entries put at this revision or later; `count` still counts every entry selected. @default all */
  readonly minModRevision?: number
}

export interface RangeResult extends Header {
  readonly entries: readonly Entry[]
  /** Entries selected in all, those that `limit` and `minModRevision` left out included. */
  readonly count: number
}

export type Relation = '=' | '!=' | '<' | '>'

/** A key that does not exist has the revisions and version 0 and no lease (`''`); its value compares with nothing. */
export type Comparison =
  | {
      readonly key: string
      readonly target: 'createRevision' | 'modRevision' | 'version'
      readonly is: Relation
      readonly to: number
    }
  | { readonly key: string; readonly target: 'value'; readonly is: Relation; readonly to: Uint8Array }
  | { readonly key: string; readonly target: 'leaseId'; readonly is: Relation; readonly to: string }

export type Operation =
  | { readonly kind: 'put'; readonly key: string; readonly value: Uint8Array; readonly leaseId?: string }
  | { readonly kind: 'delete'; readonly at: Selection }
  | { readonly kind: 'range'; readonly at: Selection }

export interface Transaction {
  /** All must hold. @default none: `then` is done */
  readonly when?: readonly Comparison[]
  readonly then: readonly Operation[]
  readonly else?: readonly Operation[]
}

export interface TransactionResult extends Header {
  /** Whether `then` was done. */
  readonly succeeded: boolean
  /** One outcome for each operation done, in their order. */
  readonly outcomes: readonly Outcome[]
}

export type Outcome =
  | { readonly kind: 'put' }
  | { readonly kind: 'delete'; readonly deleted: number }
  | { readonly kind: 'range'; readonly entries: readonly Entry[] }

export interface WatchOptions extends WaitOptions {
  /** The first revision to report; in the past it is replayed from history. @default the next one */
  readonly fromRevision?: number
}

/** Iterate it once. Ends without an error only by `close()` or a `return` of the iterator. */
export interface Watch extends AsyncIterable<WatchBatch>, AsyncDisposable {
  /** Where the watch began: the cluster, and the store's revision at that moment. */
  readonly started: Header
  close(): Promise<void>
}

/** All events of one revision; without events it is a progress notice: all up to `revision` has been reported. */
export interface WatchBatch extends Header {
  readonly events: readonly WatchEvent[]
}

export type WatchEvent =
  | { readonly kind: 'put'; readonly entry: Entry }
  | { readonly kind: 'delete'; readonly key: string; readonly modRevision: number }

export interface LeaseGrant {
  /** A decimal number; opaque to callers. */
  readonly leaseId: string
  /** The time to live that the store granted, in milliseconds from when it handled the call. */
  readonly ttlMs: number
}
