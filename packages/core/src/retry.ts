import pRetry from 'p-retry'
import { type Backoff, backoffMs, checkBackoff } from './backoff.ts'
import { type Clock, type Random, systemClock } from './clock.ts'
import { isHoldfastError } from './errors.ts'
import { checkInteger } from './options.ts'

/** One attempt that failed and will be followed by another. */
export interface FailedAttempt {
  error: unknown
  /** Which attempt it was, from 1. */
  attempt: number
  /** The pause before the next one, in milliseconds. */
  pauseMs: number
}

export interface RetryOptions {
  /** Attempts in all, the first included, ≥ 1; `Infinity` goes on until the signal aborts. @default 5 */
  attempts?: number
  backoff?: Partial<Backoff>
  /** Ends the waiting between attempts; a running attempt gets it too. A result that arrives after the abort is still returned. */
  signal?: AbortSignal | undefined
  /** Whether an error is worth another attempt. @default a holdfast error's own `retryable`; every other error is */
  shouldRetry?: (error: unknown) => boolean
  /** Replaces the backoff's pause where the failure tells a better one, such as HTTP's Retry-After. */
  pauseMs?: (failure: FailedAttempt) => number
  /** Told of each failed attempt that is followed by another. */
  onRetry?: (failure: FailedAttempt) => void
  /** @default systemClock */
  clock?: Clock
  /** @default Math.random */
  random?: Random
}

/**
 * Calls `operation` until it succeeds, is not worth another attempt, or the attempts are used up.
 *
 * Rejects with the last attempt's own error, untouched, or with the signal's
 * reason once that has aborted. Attempts never overlap.
 */
export async function retry<T>(
  operation: (attempt: number, signal: AbortSignal | undefined) => Promise<T>,
  options: RetryOptions = {},
): Promise<T> {
  const { signal, clock = systemClock, random = Math.random, shouldRetry = isRetryable } = options
  const attempts = checkInteger('attempts', options.attempts ?? 5, { min: 1, max: Number.POSITIVE_INFINITY })
  const backoff = checkBackoff('backoff', options.backoff)
  signal?.throwIfAborted()
  try {
    // Only p-retry's policy is used. Its own signal would drop a result that arrives after
    // the abort, and its timers know no injected clock, so we pause in `shouldRetry` instead.
    return await pRetry(attemptOnce, {
      retries: attempts - 1,
      minTimeout: 0,
      shouldRetry: ({ error, attemptNumber }) => pause(error, attemptNumber),
    })
  } catch (failure) {
    signal?.throwIfAborted()
    throw failure instanceof Failure ? failure.cause : failure
  }

  async function attemptOnce(attempt: number): Promise<T> {
    try {
      return await operation(attempt, signal)
    } catch (error) {
      throw new Failure(error)
    }
  }

  async function pause(failure: Error, attempt: number): Promise<boolean> {
    const error = failure.cause
    if (signal?.aborted || !shouldRetry(error)) return false
    const planned = { error, attempt, pauseMs: backoffMs(backoff, attempt, random) }
    const failed = { ...planned, pauseMs: options.pauseMs?.(planned) ?? planned.pauseMs }
    options.onRetry?.(failed)
    await clock.sleep(failed.pauseMs, signal)
    return !signal?.aborted
  }
}

/** Carries any thrown value past p-retry, which never retries a TypeError and takes nothing but Errors. */
class Failure extends Error {
  constructor(cause: unknown) {
    super('attempt failed', { cause })
  }
}

function isRetryable(error: unknown): boolean {
  return isHoldfastError(error) ? error.retryable : true
}
