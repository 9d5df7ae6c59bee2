import { type Clock, systemClock } from './clock.ts'

export interface TimeoutOptions {
  /** Milliseconds that the operation may take, > 0; `Infinity` for no limit. */
  timeoutMs: number
  /** Makes the error that the caller gets when the time is up. */
  onTimeout: () => Error
  /** The caller's own abort. */
  signal?: AbortSignal | undefined
  /** @default systemClock */
  clock?: Clock
}

/**
 * Runs `operation` under a deadline on the injected clock.
 *
 * Settles as the operation does, or rejects with `onTimeout()` when the time is
 * up, or with the signal's reason when that aborts first. In both cases the
 * operation's signal aborts with the same reason; an operation that ignores it
 * goes on unheard: its late result is dropped, its late rejection too. Close
 * what it opened yourself where that matters.
 */
export async function withTimeout<T>(
  operation: (signal: AbortSignal) => Promise<T>,
  { timeoutMs, onTimeout, signal, clock = systemClock }: TimeoutOptions,
): Promise<T> {
  signal?.throwIfAborted()
  const scope = new AbortController()
  const settled = new AbortController()
  const forward = (): void => scope.abort(signal?.reason)
  signal?.addEventListener('abort', forward, { once: true })
  try {
    return await new Promise<T>((resolve, reject) => {
      scope.signal.addEventListener('abort', () => reject(scope.signal.reason), { once: true })
      void clock.sleep(timeoutMs, settled.signal).then(() => {
        if (!settled.signal.aborted) scope.abort(onTimeout())
      }, reject)
      operation(scope.signal).then(resolve, reject)
    })
  } finally {
    settled.abort('settled') // without a reason, a DOMException with its stack would be made each time
    signal?.removeEventListener('abort', forward)
  }
}
