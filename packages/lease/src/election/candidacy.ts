import { type Comparison, type Entry, openView, type Transaction, type View } from '@holdfast/coordination'
import { backoffMs, retry } from '@holdfast/core'
import { leaseError } from '../errors.ts'
import { createGate } from '../session/gate.ts'
import type { SessionParts } from '../session/parts.ts'
import type { Tenure } from '../session/tenure.ts'
import { encodeCandidate, firstOf, hasLeft, leftMark } from './candidate.ts'

/**
 * One key in a line of candidates; the lowest create revision is the holder: the lock recipe of
 * P. Hunt et al., "ZooKeeper" (USENIX ATC 2010), on etcd's revisions.
 */
export interface Candidacy {
  readonly key: string
  /** The create revision of our key: higher than that of every holder before. */
  readonly token: number
  /** Aborts when the session is lost or our key is gone. */
  readonly signal: AbortSignal
  isHeld(): boolean
  /** Adds to what a transaction compares that we are still the holder. */
  guard(transaction: Transaction): Transaction
  /** Leaves the line; resolves when the store knows, or the lease is over and does it. */
  resign(): Promise<void>
}

export interface Candidate {
  /** Of all candidates. */
  readonly prefix: string
  /** What others may read about this one. */
  readonly value: string
}

/** Queues up, and resolves when we are the holder, confirmed by a transaction. Rejects with the signal's reason or `SESSION_CLOSED`. */
export async function campaign(
  parts: SessionParts,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<Candidacy> {
  for (let failures = 1; ; failures += 1) {
    const tenure = await parts.nextHeld(signal)
    try {
      return await win(parts, candidate, tenure, signal)
    } catch (error) {
      signal.throwIfAborted()
      parts.closing.throwIfAborted()
      if (!tenure.signal.aborted) parts.fail(error, 'campaign')
      await parts.clock.sleep(backoffMs(parts.backoff, failures, parts.random), signal)
    }
  }
}

/** Holds its place in the line until the tenure is over, the key is gone, or we are the first. */
async function win(
  parts: SessionParts,
  { prefix, value }: Candidate,
  tenure: Tenure,
  aborted: AbortSignal,
): Promise<Candidacy> {
  const { store, clock, random, backoff, candidacies } = parts
  const { leaseId } = tenure
  const key = `${prefix}${leaseId}-${parts.nextNumber()}`
  const lost = new AbortController()
  const over = AbortSignal.any([tenure.signal, lost.signal])
  const waiting = AbortSignal.any([over, aborted])
  const moved = createGate()
  let token = 0
  let entries = 0
  let view: View | undefined
  candidacies.add(key)
  try {
    token = await persist(enter)
    view = await persist(() =>
      openView(store, { prefix, maxStaleMs: 60_000, clock, random, signal: waiting }),
    )
    view.on('changed', look)
    look()
    while (!isFirst(view)) {
      waiting.throwIfAborted()
      await moved.wait(waiting)
    }
    await persist(confirm)
    return { key, token, signal: over, isHeld, guard, resign: leave }
  } catch (error) {
    // In the background: who gives up does not wait for the store.
    void leave()
    throw error
  }

  function persist<T>(step: () => Promise<T>): Promise<T> {
    return retry(step, {
      attempts: Number.POSITIVE_INFINITY,
      onRetry: ({ error }) => parts.fail(error, 'campaign'),
      ...{ signal: waiting, backoff, clock, random },
    })
  }

  /** A repeated attempt whose first answer was lost finds its own key: nobody else has our lease. */
  async function enter(): Promise<number> {
    entries += 1
    const put: Transaction = {
      when: [{ key, target: 'createRevision', is: '=', to: 0 }],
      then: [{ kind: 'put', key, value: encodeCandidate(value), leaseId }],
      else: [{ kind: 'range', at: { key } }],
    }
    const { succeeded, revision, outcomes } = await parts.transact(tenure, put, waiting)
    const [standing] = outcomes
    return succeeded || standing?.kind !== 'range' ? revision : (standing.entries[0]?.createRevision ?? 0)
  }

  function look(): void {
    if (view?.get(key)?.modRevision !== token) lost.abort(gone(key, token))
    for (const entry of view?.entries() ?? []) if (isGhost(entry)) void lay(entry)
    moved.open()
  }

  /** A key that we left, and that a store restored from a backup has again: it would stand as long as our lease. */
  function isGhost(entry: Entry): boolean {
    return (
      entry.leaseId === leaseId &&
      entry.key.startsWith(`${prefix}${leaseId}-`) &&
      !candidacies.has(entry.key) &&
      !hasLeft(entry)
    )
  }

  async function lay({ key: left, modRevision }: Entry): Promise<void> {
    const when = [{ key: left, target: 'modRevision', is: '=', to: modRevision }] as const
    const gone: Transaction = { when, then: [{ kind: 'delete', at: { key: left } }] }
    await persist(() => parts.transact(tenure, gone, waiting)).catch((error: unknown) => {
      if (!waiting.aborted) parts.fail(error, 'campaign')
    })
  }

  function isFirst(candidates: View): boolean {
    return firstOf(candidates.entries())?.key === key
  }

  async function confirm(): Promise<void> {
    const read: Transaction = { when: [stands()], then: [{ kind: 'range', at: { prefix } }] }
    const { succeeded, outcomes } = await parts.transact(tenure, read, waiting)
    const [found] = outcomes
    const first = found?.kind === 'range' ? firstOf(found.entries) : undefined
    waiting.throwIfAborted()
    if (!succeeded || first?.key !== key || !tenure.isHeld()) throw gone(key, token, false)
  }

  /** The key is written once: a second write is the mark of having left. */
  function stands(): Comparison {
    return { key, target: 'modRevision', is: '=', to: token }
  }

  function isHeld(): boolean {
    return tenure.isHeld() && !over.aborted
  }

  function guard(transaction: Transaction): Transaction {
    return { ...transaction, when: [stands(), ...(transaction.when ?? [])] }
  }

  async function leave(): Promise<void> {
    const closed = view?.close()
    // A request that was not answered may still be on its way: a mark in the key's place makes it fail.
    const last: Transaction =
      token === 0 || entries > 1
        ? { then: [{ kind: 'put', key, value: leftMark, leaseId }] }
        : { when: [stands()], then: [{ kind: 'delete', at: { key } }] }
    for (let failures = 1; !tenure.signal.aborted; failures += 1) {
      try {
        await parts.transact(tenure, last)
        break
      } catch (error) {
        if (!tenure.signal.aborted) parts.fail(error, 'campaign')
        await clock.sleep(backoffMs(backoff, failures, random), tenure.signal)
      }
    }
    candidacies.delete(key)
    await closed
  }
}

function gone(key: string, token: number, retryable = true): Error {
  const message = `the candidate's key ${key} of revision ${token} is gone: stop what stands on it`
  return leaseError('TERM_LOST', message, { retryable, fields: { key, token } })
}
