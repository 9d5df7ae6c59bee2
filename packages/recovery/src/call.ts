import type { Clock } from '@holdfast/core'

export type Outcome<T> = { readonly value: T } | { readonly error: unknown }

export interface CallLimits {
  readonly timeoutMs: number
  /** How long it may still take to settle after its signal was aborted. */
  readonly graceMs: number
  readonly signal: AbortSignal
  readonly clock: Clock
  readonly onTimeout: () => Error
  /** Makes the error where it does not settle; `late` is how it ends after all. */
  readonly onUnsettled: (reason: unknown, late: Promise<Outcome<unknown>>) => Error
}

/**
 * Calls an operation under a deadline, and does not leave it before it has
 * settled, so that a second call never overlaps the first.
 *
 * When the time is up or the caller's signal aborts, the operation's signal
 * aborts. Where it then still succeeds within the grace, that counts; where it
 * fails, the reason of the abort is thrown; where it does not settle, the error
 * of `onUnsettled`.
 */
export async function callSettled<T>(
  operation: (signal: AbortSignal) => Promise<T>,
  limits: CallLimits,
): Promise<T> {
  const { signal, clock } = limits
  signal.throwIfAborted()
  const scope = new AbortController()
  const forward = (): void => scope.abort(signal.reason)
  signal.addEventListener('abort', forward, { once: true })
  try {
    const call = outcomeOf(() => operation(scope.signal))
    const inTime = await within(call, limits.timeoutMs, clock, scope.signal)
    if (!inTime && !scope.signal.aborted) scope.abort(limits.onTimeout())
    const outcome = inTime ?? (await within(call, limits.graceMs, clock))
    if (!outcome) throw limits.onUnsettled(scope.signal.reason, call)
    if ('value' in outcome) return outcome.value
    throw scope.signal.aborted ? scope.signal.reason : outcome.error
  } finally {
    signal.removeEventListener('abort', forward)
  }
}

/** How an operation ends, as a value: never rejects, also where the operation throws at once. */
export async function outcomeOf<T>(operation: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await operation() }
  } catch (error) {
    return { error }
  }
}

/** What a promise comes to, or undefined where that takes longer, or the signal aborts first. */
async function within<T>(
  promise: Promise<T>,
  ms: number,
  clock: Clock,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const over = new AbortController()
  const wake = (): void => over.abort('over')
  if (signal?.aborted) wake()
  signal?.addEventListener('abort', wake, { once: true })
  try {
    return await Promise.race([promise, clock.sleep(ms, over.signal).then(() => undefined)])
  } finally {
    wake()
    signal?.removeEventListener('abort', wake)
  }
}
