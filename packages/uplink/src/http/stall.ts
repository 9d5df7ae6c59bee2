import type { Clock } from '@holdfast/core'

export interface StallOptions {
  /** Milliseconds without progress. */
  stallMs: number
  onStall: () => Error
  signal: AbortSignal
  clock: Clock
}

/** Runs an operation that ends with `onStall()` once it has told no progress for so long, a pause of its own that it told of left out; with the signal's reason on abort. */
export async function withStallTimeout<T>(
  operation: (signal: AbortSignal, progress: (pauseMs?: number) => void) => Promise<T>,
  { stallMs, onStall, signal, clock }: StallOptions,
): Promise<T> {
  const scope = new AbortController()
  const ended = new AbortController()
  const forward = (): void => scope.abort(signal.reason)
  signal.throwIfAborted()
  signal.addEventListener('abort', forward, { once: true })
  let last = clock.now()
  const watching = watch()
  try {
    return await operation(scope.signal, (pauseMs = 0) => {
      last = clock.now() + pauseMs
    })
  } catch (error) {
    scope.signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', forward)
    ended.abort()
    await watching
  }

  async function watch(): Promise<void> {
    while (!ended.signal.aborted && !scope.signal.aborted) {
      const leftMs = stallMs - (clock.now() - last)
      if (leftMs <= 0) scope.abort(onStall())
      else await clock.sleep(leftMs, ended.signal)
    }
  }
}
