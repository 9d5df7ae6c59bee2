import type { Clock } from '@holdfast/core'

export interface RaceOptions<T> {
  /** How long one attempt may stay undecided before the next begins beside it. */
  staggerMs: number
  clock: Clock
  /** Ends all attempts. */
  signal: AbortSignal
  /** Gives back what an attempt got after another one had won. */
  discard(late: T): void
}

/**
 * Tries the candidates in their order, each as soon as the one before failed or stayed
 * undecided for a while ("Happy Eyeballs", RFC 8305), and resolves to what the first success
 * got. Rejects with an AggregateError of all failures when there is none.
 */
export async function raceInTurn<C, T>(
  candidates: readonly C[],
  start: (candidate: C, signal: AbortSignal) => Promise<T>,
  { staggerMs, clock, signal, discard }: RaceOptions<T>,
): Promise<T> {
  const decided = new AbortController()
  const stop = AbortSignal.any([signal, decided.signal])
  const attempts: Promise<T>[] = []
  for (const candidate of candidates) {
    if (stop.aborted) break
    const failed = new AbortController()
    const attempt = start(candidate, stop)
    attempts.push(attempt)
    attempt.then(
      () => decided.abort(),
      () => failed.abort(),
    )
    await clock.sleep(staggerMs, AbortSignal.any([failed.signal, stop]))
  }
  const first = await Promise.any(attempts)
  if (signal.aborted) {
    discard(first)
    throw signal.reason
  }
  for (const attempt of attempts)
    void attempt.then(
      (late) => late !== first && discard(late),
      () => undefined, // It lost, by its failure or by our abort.
    )
  return first
}
