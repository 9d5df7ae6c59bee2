import { type Comparison, type Entry, openView, type Transaction, type View } from '@holdfast/coordination'
import { backoffMs } from '@holdfast/core'
import { leaseError } from '../errors.ts'
import { createGate } from '../session/gate.ts'
import type { SessionParts } from '../session/parts.ts'
import type { Tenure } from '../session/tenure.ts'

/**
 * One key in a queue of candidates; the lowest create revision is the holder: the lock recipe of
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
  /** Leaves the queue; resolves when the store knows, or the lease is over and does it. */
  resign(): Promise<void>
}

export interface Candidate {
  /** Of all candidates. */
  readonly prefix: string
  readonly value: string
}

/** Queues up, and resolves when we are the holder, confirmed by a transaction. Rejects with the signal's reason or `SESSION_CLOSED`. */
export async function campaign(
  parts: SessionParts,
  candidate: Candidate,
  signal: AbortSignal,
): Promise<Candidacy> {
  const number = parts.nextNumber()
  for (let failures = 0; ; ) {
    const tenure = await parts.nextHeld(signal)
    const entering = { ...candidate, key: `${candidate.prefix}${tenure.leaseId}-${number}` }
    try {
      return await win(parts, entering, tenure, signal)
    } catch (error) {
      signal.throwIfAborted()
      parts.closing.throwIfAborted()
      failures = tenure.signal.aborted ? 1 : failures + 1
      if (!tenure.signal.aborted) parts.fail(error, 'campaign')
      await parts.clock.sleep(backoffMs(parts.backoff, failures, parts.random), signal)
    }
  }
}

interface Entering extends Candidate {
  readonly key: string
}

async function win(
  parts: SessionParts,
  { prefix, key, value }: Entering,
  tenure: Tenure,
  aborted: AbortSignal,
): Promise<Candidacy> {
  const { store, clock, random } = parts
  const { leaseId } = tenure
  const lost = new AbortController()
  const over = AbortSignal.any([tenure.signal, lost.signal])
  const waiting = AbortSignal.any([over, aborted])
  const moved = createGate()
  let token = 0
  let view: View | undefined
  try {
    token = await enter()
    view = await openView(store, { prefix, maxStaleMs: 60_000, clock, random, signal: waiting })
    view.on('changed', look)
    look()
    while (!isFirst(view)) {
      waiting.throwIfAborted()
      await moved.wait(waiting)
    }
    await confirm()
    return { key, token, signal: over, isHeld, guard, resign }
  } catch (error) {
    void leave()
    throw error
  }

  /** A repeated attempt whose first answer was lost finds its own key: nobody else has our lease. */
  async function enter(): Promise<number> {
    const { succeeded, revision, outcomes } = await parts.transact(tenure, {
      when: [{ key, target: 'createRevision', is: '=', to: 0 }],
      then: [{ kind: 'put', key, value: Buffer.from(value), leaseId }],
      else: [{ kind: 'range', at: { key } }],
    })
    const [standing] = outcomes
    return succeeded || standing?.kind !== 'range' ? revision : (standing.entries[0]?.createRevision ?? 0)
  }

  function look(): void {
    if (view && view.get(key)?.createRevision !== token) lost.abort(gone(key, token))
    moved.open()
  }

  function isFirst(candidates: View): boolean {
    return firstOf(candidates.entries())?.key === key
  }

  async function confirm(): Promise<void> {
    const { succeeded, outcomes } = await parts.transact(tenure, {
      when: [stands()],
      then: [{ kind: 'range', at: { prefix } }],
    })
    const [read] = outcomes
    const first = read?.kind === 'range' ? firstOf(read.entries) : undefined
    waiting.throwIfAborted()
    if (!succeeded || first?.key !== key || !tenure.isHeld()) throw gone(key, token)
  }

  function stands(): Comparison {
    return { key, target: 'createRevision', is: '=', to: token }
  }

  function isHeld(): boolean {
    return tenure.isHeld() && !over.aborted
  }

  function guard(transaction: Transaction): Transaction {
    return { ...transaction, when: [stands(), ...(transaction.when ?? [])] }
  }

  async function resign(): Promise<void> {
    await leave()
  }

  async function leave(): Promise<void> {
    await view?.close()
    for (let failures = 1; !tenure.signal.aborted; failures += 1) {
      try {
        await parts.transact(tenure, { then: [{ kind: 'delete', at: { key } }] })
        return
      } catch (error) {
        if (tenure.signal.aborted) return
        parts.fail(error, 'campaign')
        await clock.sleep(backoffMs(parts.backoff, failures, random), tenure.signal)
      }
    }
  }
}

/** Whose turn it is: the lowest create revision. */
export function firstOf(entries: readonly Entry[]): Entry | undefined {
  return entries.reduce<Entry | undefined>(
    (first, entry) => (first && first.createRevision < entry.createRevision ? first : entry),
    undefined,
  )
}

function gone(key: string, token: number): Error {
  return leaseError(
    'TERM_LOST',
    `the candidate's key ${key} of revision ${token} is gone: stop what stands on it`,
    {
      fields: { key, token },
    },
  )
}
