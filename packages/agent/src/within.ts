import type { Clock } from '@holdfast/core'

export type Outcome<T> = { kind: 'done'; value: T } | { kind: 'failed'; error: unknown } | { kind: 'overrun' }

/** How an operation ends, as a value: never rejects, also where the operation throws at once. */
export async function outcomeOf<T>(operation: () => T | PromiseLike<T>): Promise<Outcome<T>> {
  try {
    return { kind: 'done', value: await operation() }
  } catch (error) {
    return { kind: 'failed', error }
  }
}

/**
 * Waits for an outcome for at most `ms` milliseconds, or until `cut` aborts.
 * Where it has aborted already, one turn of the event loop is left: what ends
 * without waiting for anything has ended then.
 */
export async function within<T>(
  outcome: Promise<Outcome<T>>,
  ms: number,
  cut: AbortSignal,
  clock: Clock,
): Promise<Outcome<T>> {
  const over = new AbortController()
  const end = (): void => over.abort()
  cut.addEventListener('abort', end, { once: true })
  try {
    return await Promise.race([outcome, timeUp()])
  } finally {
    cut.removeEventListener('abort', end)
    over.abort()
  }

  async function timeUp(): Promise<Outcome<T>> {
    await clock.sleep(cut.aborted ? 0 : ms, over.signal)
    return { kind: 'overrun' }
  }
}
