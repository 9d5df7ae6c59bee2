import { setMaxListeners } from 'node:events'
import type { CoordinationStore, Transaction, TransactionResult } from '@holdfast/coordination'
import {
  backoffMs,
  createEvents,
  isHoldfastError,
  type On,
  type Running,
  retry,
  type Stats,
  withTimeout,
} from '@holdfast/core'
import { leaseError } from '../errors.ts'
import { nextIncarnation } from '../registration/incarnation.ts'
import { createRegistrar } from '../registration/registrar.ts'
import { createGate } from './gate.ts'
import { checkSessionOptions, checkStore, type SessionOptions } from './options.ts'
import { type Participant, type SessionParts, sessionParts } from './parts.ts'
import { type Loss, startTenure, type Tenure, validFrom } from './tenure.ts'
import { instant, leftMs } from './validity.ts'

/** One process's lease in the store, and all that stands on it: registrations, elections, locks. */
export interface Session extends Running {
  /**
   * Whether the lease is certain not to have been given away, judged at this call by the monotonic
   * clock and the host's uptime: right in the first line after a blocked event loop or a suspended
   * host. Once false, false for the rest of the epoch. Never asks the store.
   */
  isHeld(): boolean
  /** From 1, one more with each new lease. */
  readonly epoch: number
  /** Of this epoch: aborts no later than in the first turn of the event loop after its deadline. */
  readonly signal: AbortSignal
  /** Put keys of your own with it; they are not put again in the next epoch. */
  readonly leaseId: string
  readonly on: On<SessionEvents>
  /** Rejects when the session can never go on, because its store was closed. */
  readonly exited: Promise<void>
  stats(): Stats
  /**
   * Ends terms and locks, waits for them, and revokes the lease, which removes every
   * registration in one revision; all within `closeTimeoutMs`. No event follows.
   */
  close(): Promise<void>
  /** @internal */
  readonly [sessionParts]: SessionParts
}

export interface SessionEvents {
  /** The epoch is over and its signal has aborted. Told once for each epoch. A new lease is asked for at once. */
  lost(loss: Loss): void
  /** A new epoch has begun and every registration stands again. */
  restored(restored: { readonly epoch: number; readonly registrations: number }): void
  /** A call to the store failed; it is made again. */
  failed(error: unknown, activity: Activity): void
}

export type Activity = 'grant' | 'renew' | 'revoke' | 'register' | 'watch' | 'campaign'

/**
 * Opens a session: resolves when a lease is held, which then is renewed until `close()`.
 *
 * After any loss a new lease is granted, registrations are put again, and a new epoch begins;
 * the old lease is revoked as far as the store can be reached, unless the store has said that it is
 * gone. A renewal that is answered after the deadline revives nothing. Tries for as long as the store is unavailable: pass a
 * `signal` to bound that. Rejects with an error that is not retryable, or with the signal's reason.
 * `INCARNATION_DAMAGED` or the file system's error where the `stateFolder` cannot be used.
 * The store stays the caller's: close the session first.
 */
export async function openSession(store: CoordinationStore, options: SessionOptions = {}): Promise<Session> {
  checkStore(store)
  const settings = checkSessionOptions(options)
  const { stateFolder } = settings
  const incarnation = stateFolder === undefined ? undefined : await nextIncarnation(stateFolder)
  const { clock, random, backoff, ttlMs, marginMs } = settings
  const events = createEvents<SessionEvents>()
  const closing = new AbortController()
  setMaxListeners(0, closing.signal)
  const granted = createGate()
  const participants = new Set<Participant>()
  /** Leases granted and not known to be gone, the current one included. */
  const unrevoked = new Set<string>()
  const counts = { losses: 0, renewals: 0, failures: 0 }
  let epoch = 0
  let lastNumber = 0
  let tenure = await begin(isRetryable, options.signal)
  const owner = `${tenure.leaseId}-${Math.floor(random() * 2 ** 32).toString(36)}`
  const parts: SessionParts = {
    store,
    ...settings,
    owner,
    incarnation,
    candidacies: new Set(),
    closing: closing.signal,
    tenure: () => tenure,
    nextHeld,
    transact,
    nextNumber: () => ++lastNumber,
    isClosed: () => closed !== undefined,
    fail,
    join(participant) {
      participants.add(participant)
      return () => void participants.delete(participant)
    },
    get registrar() {
      return registrar
    },
  }
  const registrar = createRegistrar(parts)
  const running = run()
  const exited = running.then(() => undefined)
  // Whoever looks at `exited` sees the failure; who does not has heard of it by `failed`.
  exited.catch((error: unknown) => void error)
  let closed: Promise<void> | undefined

  return {
    isHeld: () => tenure.isHeld(),
    get epoch() {
      return tenure.epoch
    },
    get signal() {
      return tenure.signal
    },
    get leaseId() {
      return tenure.leaseId
    },
    on: events.on,
    exited,
    stats,
    close,
    [Symbol.asyncDispose]: close,
    [sessionParts]: parts,
  }

  async function run(): Promise<void> {
    for (;;) {
      const loss = await tenure.ended
      if (closing.signal.aborted) return
      counts.losses += 1
      // The store itself said so: there is nothing left to revoke.
      if (loss.reason === 'revoked') unrevoked.delete(tenure.leaseId)
      events.emit('lost', loss)
      const next = await beginAgain()
      if (!next) return
      tenure = next
      granted.open()
      void restore(next)
    }
  }

  async function beginAgain(): Promise<Tenure | undefined> {
    await clock.sleep(backoffMs(backoff, 1, random), closing.signal)
    try {
      return await begin((error) => !isHoldfastError(error, 'STORE_CLOSED'))
    } catch (error) {
      if (closing.signal.aborted) return undefined
      closing.abort(error)
      granted.open()
      throw error
    }
  }

  /** Puts everything with the new lease before the old ones are revoked: so nothing disappears in between. */
  async function restore(next: Tenure): Promise<void> {
    const registrations = await registrar.restore(next)
    if (!next.isHeld()) return
    events.emit('restored', { epoch: next.epoch, registrations })
    await revokeAllBut(next.leaseId)
  }

  async function begin(shouldRetry: (error: unknown) => boolean, opening?: AbortSignal): Promise<Tenure> {
    return retry((_, signal) => grant(signal), {
      attempts: Number.POSITIVE_INFINITY,
      backoff,
      shouldRetry,
      onRetry: ({ error }) => fail(error, 'grant'),
      signal: opening ? AbortSignal.any([closing.signal, opening]) : closing.signal,
      clock,
      random,
    })
  }

  async function grant(signal: AbortSignal | undefined): Promise<Tenure> {
    const sent = instant(clock)
    const answer = await bounded((attempt) => store.grantLease(ttlMs, { signal: attempt }), ttlMs / 3, signal)
    if (leftMs(validFrom(sent, answer, marginMs), instant(clock)) <= 0) {
      void revoke(answer.leaseId)
      throw leaseError(
        'GRANT_LATE',
        `lease ${answer.leaseId} was granted too late to be of use: another is asked for`,
      )
    }
    epoch += 1
    unrevoked.add(answer.leaseId)
    return startTenure({
      ...{ store, clock, random, backoff, marginMs, epoch, grant: answer, sent },
      onRenewed: () => {
        counts.renewals += 1
      },
      onFailed: (error) => fail(error, 'renew'),
    })
  }

  async function revokeAllBut(kept?: string): Promise<void> {
    await Promise.all([...unrevoked].filter((leaseId) => leaseId !== kept).map(revoke))
  }

  async function revoke(leaseId: string): Promise<void> {
    try {
      await bounded((signal) => store.revokeLease(leaseId, { signal }), settings.closeTimeoutMs)
      unrevoked.delete(leaseId)
    } catch (error) {
      if (isHoldfastError(error, 'LEASE_NOT_FOUND')) unrevoked.delete(leaseId)
      else fail(error, 'revoke')
    }
  }

  function bounded<T>(
    call: (signal: AbortSignal) => Promise<T>,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<T> {
    const onTimeout = (): Error =>
      leaseError('CALL_TIMEOUT', `the store gave no answer within ${timeoutMs} ms`)
    return withTimeout(call, { timeoutMs, onTimeout, signal, clock })
  }

  async function nextHeld(signal: AbortSignal): Promise<Tenure> {
    while (!tenure.isHeld()) {
      signal.throwIfAborted()
      closing.signal.throwIfAborted()
      await granted.wait(signal)
    }
    signal.throwIfAborted()
    return tenure
  }

  async function transact(
    within: Tenure,
    transaction: Transaction,
    signal: AbortSignal = within.signal,
  ): Promise<TransactionResult> {
    try {
      return await bounded((attempt) => store.transact(transaction, { signal: attempt }), ttlMs / 3, signal)
    } catch (error) {
      if (isHoldfastError(error, 'LEASE_NOT_FOUND')) within.end('revoked', error)
      throw error
    }
  }

  function fail(error: unknown, activity: Activity): void {
    if (closing.signal.aborted) return
    counts.failures += 1
    events.emit('failed', error, activity)
  }

  function close(): Promise<void> {
    closed ??= end()
    return closed
  }

  async function end(): Promise<void> {
    const reason = leaseError('SESSION_CLOSED', 'the session was closed: open a new one')
    closing.abort(reason)
    granted.open()
    tenure.end('closed')
    await registrar.close()
    const woundUp = Promise.allSettled([...participants].map((participant) => participant()))
    const patience = new AbortController()
    void woundUp.then(() => patience.abort())
    await clock.sleep(settings.closeTimeoutMs, patience.signal)
    await Promise.allSettled([running])
    tenure.end('closed')
    await tenure.ended
    await revokeAllBut()
  }

  function stats(): Stats {
    return {
      lease_held: { kind: 'gauge', help: '1 while the lease is held', value: tenure.isHeld() ? 1 : 0 },
      lease_epoch: { kind: 'gauge', help: 'Leases granted so far', value: tenure.epoch },
      lease_losses_total: { kind: 'counter', help: 'Epochs that ended by loss', value: counts.losses },
      lease_renewals_total: {
        kind: 'counter',
        help: 'Renewals acknowledged in time',
        value: counts.renewals,
      },
      lease_failures_total: { kind: 'counter', help: 'Calls that failed', value: counts.failures },
      ...registrar.stats(),
    }
  }
}

function isRetryable(error: unknown): boolean {
  return isHoldfastError(error) && error.retryable
}
