import { setMaxListeners } from 'node:events'
import type { CoordinationStore, LeaseGrant } from '@holdfast/coordination'
import {
  type Backoff,
  backoffMs,
  type Clock,
  isHoldfastError,
  type Random,
  withTimeout,
} from '@holdfast/core'
import { leaseError } from '../errors.ts'
import { type Instant, instant, leftMs, type Validity } from './validity.ts'

/** Why an epoch ended. */
export interface Loss {
  readonly epoch: number
  /** `expired`: no renewal was acknowledged in time. `revoked`: the store says that the lease is gone. `closed`: we ended it. */
  readonly reason: 'expired' | 'revoked' | 'closed'
  /** The last failure that led to it, where there was one. */
  readonly error?: unknown
}

/** One lease, from its grant to its end: an epoch of a session. */
export interface Tenure {
  readonly leaseId: string
  readonly epoch: number
  /** Aborts when it ends, with `SESSION_LOST` or `SESSION_CLOSED`. Nothing revives it. */
  readonly signal: AbortSignal
  /** Judged now, not remembered. Once false it stays so, and the signal has aborted. */
  isHeld(): boolean
  /**
   * Renews at once, because something speaks against the lease. Resolves when that is answered or has
   * failed, and then it has ended if the store no longer knows the lease. Calls share what is under way.
   */
  renewNow(): Promise<void>
  /** The first call counts. */
  end(reason: Loss['reason'], error?: unknown): void
  /** Resolves when it has ended and its timers with it. */
  readonly ended: Promise<Loss>
}

export interface TenureOptions {
  readonly store: CoordinationStore
  readonly clock: Clock
  readonly random: Random
  readonly backoff: Backoff
  readonly marginMs: number | undefined
  readonly epoch: number
  readonly grant: LeaseGrant
  /** When the grant was asked for. */
  readonly sent: Instant
  readonly onRenewed: () => void
  readonly onFailed: (error: unknown) => void
}

/** A renewal is tried three times in a lease's life before that ends, and more often once one has failed. */
const renewalsPerTtl = 3
/** So often in a lease's life is a suspended host noticed, where nobody asks. */
const looksPerTtl = 10

/** Renews a lease until it ends. */
export function startTenure(options: TenureOptions): Tenure {
  const { store, clock, grant, epoch } = options
  const { leaseId } = grant
  const over = new AbortController()
  setMaxListeners(0, over.signal)
  let validity = validFrom(options.sent, grant, options.marginMs)
  let loss: Loss = { epoch, reason: 'closed' }
  let lastError: unknown
  let renewing: Promise<void> | undefined
  const ended = Promise.all([renewUntilOver(), lookUntilOver()]).then(() => loss)
  return { leaseId, epoch, signal: over.signal, isHeld, renewNow, end, ended }

  function isHeld(): boolean {
    return !over.signal.aborted && judge(instant(clock)) > 0
  }

  /** Milliseconds that are left, unless it has ended by other means; where there are none, it ends. */
  function judge(now: Instant): number {
    const left = leftMs(validity, now)
    if (left <= 0) end('expired', lastError)
    return left
  }

  function end(reason: Loss['reason'], error?: unknown): void {
    if (over.signal.aborted) return
    loss = { epoch, reason, ...(error === undefined ? {} : { error }) }
    over.abort(reasonOf(loss, leaseId))
  }

  function renewNow(): Promise<void> {
    renewing ??= renew().then(() => {
      renewing = undefined
    })
    return renewing
  }

  async function lookUntilOver(): Promise<void> {
    while (!over.signal.aborted) {
      const left = judge(instant(clock))
      await clock.sleep(Math.min(left, grant.ttlMs / looksPerTtl), over.signal)
    }
  }

  async function renewUntilOver(): Promise<void> {
    for (let failures = 0; !over.signal.aborted; ) {
      await clock.sleep(pauseMs(failures), over.signal)
      failures = (await renew()) ? 0 : failures + 1
    }
  }

  function pauseMs(failures: number): number {
    return failures === 0
      ? grant.ttlMs / renewalsPerTtl
      : backoffMs(options.backoff, failures, options.random)
  }

  async function renew(): Promise<boolean> {
    if (over.signal.aborted) return false
    const sent = instant(clock)
    if (judge(sent) <= 0) return false
    try {
      const renewed = await withTimeout((signal) => store.keepAlive(leaseId, { signal }), {
        timeoutMs: grant.ttlMs / renewalsPerTtl,
        onTimeout: () =>
          leaseError('CALL_TIMEOUT', `lease ${leaseId} got no answer to a renewal: it is sent again`),
        signal: over.signal,
        clock,
      })
      // An answer that comes after the deadline proves nothing: the lease may have been given away since.
      if (isHeld()) renewedAt(validFrom(sent, renewed, options.marginMs))
      return true
    } catch (error) {
      failed(error)
      return false
    }
  }

  /** Of two under way at once, the one sent first may be answered last. */
  function renewedAt(next: Validity): void {
    if (next.sent.nowMs > validity.sent.nowMs) validity = next
    lastError = undefined
    options.onRenewed()
  }

  function failed(error: unknown): void {
    if (over.signal.aborted) return
    lastError = error
    options.onFailed(error)
    if (isHoldfastError(error, 'LEASE_NOT_FOUND')) end('revoked', error)
  }
}

/** The margin pays for clocks that run at rates up to 20 % apart. */
export function validFrom(sent: Instant, grant: LeaseGrant, marginMs: number | undefined): Validity {
  return { sent, lastsMs: grant.ttlMs - (marginMs ?? grant.ttlMs / 5) }
}

function reasonOf({ reason, epoch, error }: Loss, leaseId: string): Error {
  const fields = { leaseId, epoch, reason }
  if (reason === 'closed')
    return leaseError('SESSION_CLOSED', `the session was closed in epoch ${epoch}`, { fields })
  const why = reason === 'expired' ? 'was not renewed in time' : 'was revoked'
  return leaseError('SESSION_LOST', `lease ${leaseId} of epoch ${epoch} ${why}: stop what stands on it`, {
    fields,
    ...(error === undefined ? {} : { cause: error }),
  })
}
