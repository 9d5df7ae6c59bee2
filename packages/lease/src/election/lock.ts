import type { Transaction } from '@holdfast/coordination'
import type { WaitOptions } from '@holdfast/core'
import { leaseError } from '../errors.ts'
import { checkName } from '../registration/registration.ts'
import { createDeferred } from '../session/deferred.ts'
import { sessionParts } from '../session/parts.ts'
import type { Session } from '../session/session.ts'
import { campaign } from './candidacy.ts'

/** A lock that this process holds; it goes with the session that it was taken on. */
export interface Lock extends AsyncDisposable {
  readonly name: string
  /** The fencing token: higher for every later holder on the same cluster. See `Term.token` for what it protects. */
  readonly token: number
  /** Aborts when the lock is lost or released, or the session closes. */
  readonly signal: AbortSignal
  /** Whether no other can be holding it, judged at this call without asking the store. */
  isHeld(): boolean
  /** The transaction with one more comparison: nothing of it is done once the lock is lost in the store. */
  guard(transaction: Transaction): Transaction
  /** Resolves when the next in line may have it. Idempotent; same as `Symbol.asyncDispose`. */
  release(): Promise<void>
}

/**
 * Waits in line for a lock: first come, first served, over losses of the session while it waits.
 *
 * A lock that is held is not taken again after a loss: its signal aborts, and the caller decides.
 * Not reentrant. Rejects with the signal's reason, having left the line, or with `SESSION_CLOSED`.
 */
export async function acquireLock(session: Session, name: string, options: WaitOptions = {}): Promise<Lock> {
  const parts = session[sessionParts]
  const prefix = `locks/${encodeURIComponent(checkName('name', name))}/`
  const { signal = new AbortController().signal } = options
  const candidacy = await campaign(parts, { prefix, value: '' }, AbortSignal.any([signal, parts.closing]))
  const { token, guard } = candidacy
  const released = new AbortController()
  const gone = createDeferred()
  const scope = AbortSignal.any([candidacy.signal, released.signal])
  // Closing the session waits for the holder, as it does for a term.
  const part = parts.join(() => gone.promise)
  let releasing: Promise<void> | undefined

  return {
    ...{ name, token, guard, signal: scope, release, [Symbol.asyncDispose]: release },
    isHeld: () => candidacy.isHeld() && !scope.aborted,
  }

  function release(): Promise<void> {
    releasing ??= leave()
    return releasing
  }

  async function leave(): Promise<void> {
    released.abort(leaseError('LOCK_RELEASED', `the lock ${name} was released`, { fields: { name, token } }))
    await candidacy.resign()
    part()
    gone.resolve()
  }
}
