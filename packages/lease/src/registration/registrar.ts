import type { Entry, TransactionResult } from '@holdfast/coordination'
import { isHoldfastError, type Stats } from '@holdfast/core'
import { leaseError } from '../errors.ts'
import type { SessionParts } from '../session/parts.ts'
import type { Tenure } from '../session/tenure.ts'
import { confirm, confirmed, conflict, createDesired, type Desired, giveUp, type Owner } from './desired.ts'
import { type Committed, createFlusher } from './flusher.ts'
import { createOwnKeys } from './own-keys.ts'
import {
  entryAfter,
  entryRead,
  isLeaseInDoubt,
  type PlannedStep,
  stepTowards,
  transactionOf,
  type Wish,
} from './plan.ts'

/**
 * Brings the store to what a session's registrations want, whatever happens to it meanwhile:
 * many wishes in one transaction, and never two transactions at a time for one key.
 */
export interface Registrar {
  /** Resolves when the key is ours. `REGISTRATION_CONFLICT` when it is taken, and then forgets it. */
  add(wish: Wish, owner: Owner, signal?: AbortSignal): Promise<void>
  /** Resolves when the new wish stands in the store. An abort ends the waiting, not the wish. */
  change(wish: Wish, signal?: AbortSignal): Promise<void>
  /** Puts all again with a new lease; resolves with how many stand, or when that lease is lost. */
  restore(tenure: Tenure): Promise<number>
  stats(): Stats
  /** Ends its work. What stands in the store stays there. */
  close(): Promise<void>
}

export function createRegistrar(parts: SessionParts): Registrar {
  const { clock, random, backoff, owner, closing, nextHeld } = parts
  const desired = new Map<string, Desired>()
  const dirty = new Set<Desired>()
  const ownKeys = createOwnKeys(parts, observe)
  const flusher = createFlusher({ dirty, clock, random, backoff, closing, nextHeld, commit })
  const counts = { repairs: 0, transactions: 0 }

  return { add, change, restore, stats, close }

  async function add(wish: Wish, told: Owner, signal?: AbortSignal): Promise<void> {
    closing.throwIfAborted()
    const standing = desired.get(wish.key)
    if (standing?.wish.value)
      throw leaseError('REGISTRATION_CONFLICT', `${wish.key} is registered by this session already`, {
        fields: { key: wish.key },
        retryable: false,
      })
    const item = standing ?? createDesired(wish, told)
    desired.set(wish.key, item)
    Object.assign(item, { owner: told, wasOurs: false })
    want(item, wish)
    try {
      await confirmed(item, signal)
    } catch (error) {
      if (signal?.aborted && desired.get(wish.key) === item) want(item, { ...wish, value: undefined })
      throw error
    }
    ownKeys.watch(wish.key)
  }

  async function change(wish: Wish, signal?: AbortSignal): Promise<void> {
    closing.throwIfAborted()
    const item = desired.get(wish.key)
    if (!item) return
    want(item, wish)
    await confirmed(item, signal)
  }

  function want(item: Desired, wish: Wish): void {
    item.wish = wish
    touch(item)
  }

  async function restore(tenure: Tenure): Promise<number> {
    for (const item of desired.values()) {
      // Revisions of before may be another cluster's.
      item.seen = undefined
      item.isKnown = false
      touch(item)
    }
    await flusher.clean(tenure.signal)
    return wanted()
  }

  function touch(item: Desired): void {
    dirty.add(item)
    flusher.start()
  }

  async function commit(tenure: Tenure, batch: readonly Desired[]): Promise<Committed> {
    try {
      await transact(tenure, batch)
      return 'done'
    } catch (error) {
      for (const item of batch) dirty.add(item)
      noteUnanswered(error, batch, tenure)
      return failed(error, batch)
    }
  }

  /** A put that found nobody home may still be on its way. */
  function noteUnanswered(error: unknown, batch: readonly Desired[], { leaseId }: Tenure): void {
    if (isHoldfastError(error) && !error.retryable) return
    for (const item of batch) if (!item.seen && item.wish.value) item.unansweredWith = leaseId
  }

  async function transact(tenure: Tenure, batch: readonly Desired[]): Promise<void> {
    const work = batch.flatMap((item) => planned(item, tenure))
    if (work.length === 0) return
    const transaction = transactionOf(
      work.map(({ step }) => step),
      { owner, leaseId: tenure.leaseId },
    )
    counts.transactions += 1
    const times = work.map(({ item }) => item.told.times)
    const result = await parts.transact(tenure, transaction)
    for (const [index, { item, step }] of work.entries()) {
      // What the watch told of since, and is newer, counts: the answer came late.
      const isOvertaken = item.told.times !== times[index] && result.revision < item.told.revision
      if (isOvertaken) dirty.add(item)
      else learn(item, step, result, index, tenure.leaseId)
    }
  }

  function planned(item: Desired, { leaseId }: Tenure): { item: Desired; step: PlannedStep }[] {
    const { wish, seen } = item
    const next = stepTowards(wish, seen, { owner, leaseId })
    // Where we have not looked yet, deleting nothing does look.
    const step = next === 'none' && !item.isKnown ? 'delete' : next
    if (step === 'foreign') yieldTo(item)
    if (step === 'none') settle(item, wish)
    return step === 'put' || step === 'delete' ? [{ item, step: { wish, seen, step } }] : []
  }

  function learn(
    item: Desired,
    step: PlannedStep,
    result: TransactionResult,
    index: number,
    leaseId: string,
  ): void {
    item.isKnown = true
    if (result.succeeded) {
      item.seen = entryAfter(step, result.revision, leaseId)
      settle(item, step.wish)
      return
    }
    item.seen = entryRead(result.outcomes[index])
    dirty.add(item)
  }

  function settle(item: Desired, wish: Wish): void {
    confirm(item, wish)
    if (item.wish !== wish) dirty.add(item)
    else if (wish.value === undefined) letGo(item)
  }

  /** A stranger stands there whom we must not replace: for good, so nobody plays ping-pong. */
  function yieldTo(item: Desired): void {
    const { wish, seen, wasOurs } = item
    item.wish = { ...wish, value: undefined }
    letGo(item)
    giveUp(item, conflict(wish, seen))
    if (wasOurs) item.owner.onForeign()
  }

  /** While a put of ours may still arrive there, the key is watched, so that it does not stay. */
  function letGo(item: Desired): void {
    if (item.unansweredWith === parts.tenure().leaseId) ownKeys.watch(item.wish.key)
    else forget(item)
  }

  function forget(item: Desired): void {
    const { key } = item.wish
    dirty.delete(item)
    if (desired.get(key) !== item) return
    desired.delete(key)
    ownKeys.unwatch(key)
  }

  /** What the store will never take is told to who asked for it; what stood there before is tried again. */
  function failed(error: unknown, batch: readonly Desired[]): Committed {
    const isFinal = isHoldfastError(error) && !error.retryable && error.code !== 'LEASE_NOT_FOUND'
    const [only] = batch
    if (isFinal && batch.length === 1 && only && !only.wasOurs) {
      forget(only)
      giveUp(only, error)
    } else if (!closing.aborted && !isHoldfastError(error, 'SESSION_LOST')) parts.fail(error, 'register')
    return isFinal && batch.length > 1 ? 'refused' : 'failed'
  }

  /** What the watch of our own keys says stands there now. */
  function observe(key: string, entry: Entry | undefined, revision: number, isResync: boolean): void {
    const item = desired.get(key)
    const isOld = !isResync && revision < (item?.seen?.modRevision ?? 0)
    if (!item || isOld) return
    const tenure = parts.tenure()
    const claimant = { owner, leaseId: tenure.leaseId }
    const inDoubt = isLeaseInDoubt(item.seen, entry, claimant)
    item.seen = entry
    item.isKnown = true
    item.told = { times: item.told.times + 1, revision: isResync ? Number.POSITIVE_INFINITY : revision }
    if (stepTowards(item.wish, entry, claimant) === 'none') return
    counts.repairs += 1
    if (inDoubt) flusher.holdFor(tenure.renewNow())
    touch(item)
  }

  function wanted(): number {
    let count = 0
    for (const { wish } of desired.values()) if (wish.value) count += 1
    return count
  }

  async function close(): Promise<void> {
    for (const item of desired.values()) {
      giveUp(item, closing.reason)
      item.owner.onClosed()
    }
    await Promise.all([flusher.ended(), ownKeys.close()])
  }

  function stats(): Stats {
    return {
      lease_registrations: { kind: 'gauge', help: 'Registrations wanted', value: wanted() },
      lease_registrations_pending: {
        kind: 'gauge',
        help: 'Registrations that do not stand yet as wanted',
        value: dirty.size,
      },
      lease_repairs_total: {
        kind: 'counter',
        help: 'Registrations changed from outside and put again',
        value: counts.repairs,
      },
      lease_transactions_total: {
        kind: 'counter',
        help: 'Transactions of registrations',
        value: counts.transactions,
      },
    }
  }
}
