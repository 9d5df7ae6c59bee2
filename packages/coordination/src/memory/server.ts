import { type Clock, checkInteger, checkNumber } from '@holdfast/core'
import { coordinationError } from '../errors.ts'
import type {
  Header,
  LeaseGrant,
  Operation,
  RangeOptions,
  RangeResult,
  Selection,
  Transaction,
  TransactionResult,
  WatchOptions,
} from '../store.ts'
import { copyEntries, copyOperation, copyOutcome } from './copy.ts'
import { createHistory, type History } from './history.ts'
import { createLeases, type Leases } from './leases.ts'
import { checkSelection, checkTransaction, holds } from './transaction.ts'
import { compacted, createWatcher, type Watcher } from './watcher.ts'

/** etcd grants no shorter lease, with its default election timeout of 1 s. */
const minTtlMs = 2_000
/** etcd grants no longer one. */
const maxTtlMs = 9_000_000_000_000

/** What all clients of one memory store share: its data, and the time that ends its leases. */
export interface MemoryServer {
  readonly header: Header
  readonly history: History
  readonly leases: Leases
  readonly watchers: ReadonlySet<Watcher>
  range(selection: Selection, options: RangeOptions): RangeResult
  transact(transaction: Transaction): TransactionResult
  watch(selection: Selection, options: WatchOptions, onEnd: (watcher: Watcher) => void): Watcher
  grantLease(ttlMs: number): LeaseGrant
  keepAlive(leaseId: string): LeaseGrant
  revokeLease(leaseId: string): void
  compact(revision?: number): void
  rollback(revision: number): void
  wipe(): void
  /** Called for each client: while there is one, leases expire on time; without, when the next call comes. */
  attach(): void
  detach(): void
}

export interface MemoryServerOptions {
  clock: Clock
  retainRevisions: number
}

export function createMemoryServer({ clock, retainRevisions }: MemoryServerOptions): MemoryServer {
  const watchers = new Set<Watcher>()
  let history = createHistory()
  let leases = createLeases()
  let clusters = 1
  let lastLease = 0
  let clients = 0
  let alarm: { dueMs: number; off: AbortController } | undefined

  return {
    get header() {
      return header()
    },
    get history() {
      return history
    },
    get leases() {
      return leases
    },
    watchers,
    range,
    transact,
    watch,
    grantLease,
    keepAlive,
    revokeLease,
    compact,
    rollback,
    wipe,
    attach() {
      clients += 1
      setAlarm()
    },
    detach() {
      clients -= 1
      if (clients === 0) clearAlarm()
    },
  }

  function header(): Header {
    return { clusterId: `memory-${clusters}`, revision: history.revision }
  }

  function range(selection: Selection, options: RangeOptions): RangeResult {
    checkSelection(selection)
    const limit = checkInteger('limit', options.limit ?? Number.POSITIVE_INFINITY, {
      min: 1,
      max: Number.POSITIVE_INFINITY,
    })
    const minModRevision = checkInteger('minModRevision', options.minModRevision ?? 0, { min: 0 })
    expireLeases()
    const at = checkInteger('revision', options.revision ?? history.revision, { min: 1 })
    if (at > history.revision)
      throw coordinationError('STORE_REFUSED', `revision ${at} is in the future of ${history.revision}`)
    if (at < history.compactRevision) throw compacted(at, history.compactRevision)
    const { entries, count } = history.select(selection, at, minModRevision)
    return { ...header(), entries: copyEntries(limit < count ? entries.slice(0, limit) : entries), count }
  }

  function transact(transaction: Transaction): TransactionResult {
    checkTransaction(transaction)
    expireLeases()
    const succeeded = (transaction.when ?? []).every((comparison) =>
      holds(comparison, history.latest(comparison.key)),
    )
    const operations = succeeded ? transaction.then : (transaction.else ?? [])
    for (const operation of operations)
      if (operation.kind === 'put' && operation.leaseId !== undefined) checkLease(operation.leaseId)
    const outcomes = write(operations.map(copyOperation))
    return { ...header(), succeeded, outcomes: outcomes.map(copyOutcome) }
  }

  function write(operations: readonly Operation[]): ReturnType<History['apply']>['outcomes'] {
    const { outcomes, events } = history.apply(operations)
    leases.observe(events)
    if (events.length > 0) {
      for (const watcher of watchers) watcher.batches.wake()
      if (history.revision - history.compactRevision > 2 * retainRevisions)
        compact(history.revision - retainRevisions)
    }
    return outcomes
  }

  function watch(selection: Selection, options: WatchOptions, onEnd: (watcher: Watcher) => void): Watcher {
    checkSelection(selection)
    expireLeases()
    const next = history.revision + 1
    const fromRevision = checkInteger('fromRevision', options.fromRevision ?? next, { min: 1 })
    if (fromRevision < history.compactRevision) throw compacted(fromRevision, history.compactRevision)
    const { clusterId } = header()
    const watcher = createWatcher({
      history,
      clusterId,
      selection,
      fromRevision,
      onEnd: (ended) => {
        watchers.delete(ended)
        onEnd(ended)
      },
    })
    watchers.add(watcher)
    return watcher
  }

  function grantLease(asked: number): LeaseGrant {
    checkNumber('ttlMs', asked, { min: Number.MIN_VALUE, max: maxTtlMs })
    expireLeases()
    lastLease += 1
    const leaseId = String(lastLease)
    const ttlMs = Math.max(minTtlMs, Math.ceil(asked / 1_000) * 1_000)
    leases.grant(leaseId, ttlMs, clock.now())
    setAlarm()
    return { leaseId, ttlMs }
  }

  function keepAlive(leaseId: string): LeaseGrant {
    expireLeases()
    checkLease(leaseId)
    return { leaseId, ttlMs: leases.renew(leaseId, clock.now())! }
  }

  function revokeLease(leaseId: string): void {
    expireLeases()
    checkLease(leaseId)
    endLease(leaseId)
  }

  function checkLease(leaseId: string): void {
    if (leases.has(leaseId)) return
    throw coordinationError('LEASE_NOT_FOUND', `lease ${leaseId} expired or was revoked: grant a new one`, {
      fields: { leaseId },
    })
  }

  function endLease(leaseId: string): void {
    write(leases.remove(leaseId).map((key) => ({ kind: 'delete', at: { key } })))
  }

  /** Judged by the clock at each call, so that no call sees a lease whose time is up, alarm or not. */
  function expireLeases(): void {
    const now = clock.now()
    for (let leaseId = leases.nextExpired(now); leaseId; leaseId = leases.nextExpired(now)) endLease(leaseId)
  }

  function setAlarm(): void {
    const dueMs = leases.nextExpiryMs
    if (clients === 0 || dueMs === Number.POSITIVE_INFINITY || (alarm && alarm.dueMs <= dueMs)) return
    clearAlarm()
    const off = new AbortController()
    alarm = { dueMs, off }
    void clock.sleep(dueMs - clock.now(), off.signal).then(() => {
      if (off.signal.aborted) return
      alarm = undefined
      expireLeases()
      setAlarm()
    })
  }

  function clearAlarm(): void {
    alarm?.off.abort()
    alarm = undefined
  }

  function compact(revision = history.revision): void {
    checkInteger('revision', revision, { min: 1, max: history.revision })
    if (revision <= history.compactRevision) return
    for (const watcher of watchers) watcher.keepBefore(revision, retainRevisions)
    history.compact(revision)
  }

  function rollback(revision: number): void {
    checkInteger('revision', revision, { min: Math.max(1, history.compactRevision), max: history.revision })
    history.rollback(revision)
    const standing = history.range({ prefix: '' }, revision)
    leases = createLeases()
    for (const { leaseId } of standing)
      if (leaseId !== undefined && !leases.has(leaseId)) leases.grant(leaseId, minTtlMs, clock.now())
    leases.observe(standing.map((entry) => ({ kind: 'put', entry })))
    restart('was restored from a backup')
  }

  function wipe(): void {
    clusters += 1
    history = createHistory()
    leases = createLeases()
    restart('was wiped')
  }

  function restart(why: string): void {
    clearAlarm()
    setAlarm()
    for (const watcher of [...watchers])
      watcher.batches.end(coordinationError('STORE_UNAVAILABLE', `the store ${why}: watch again`))
  }
}
