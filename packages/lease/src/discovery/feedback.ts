/** What callers learned about instances, beyond what those say of themselves. Pure: times are given. */
export interface Feedback {
  report(id: string, outcome: Outcome, nowMs: number): void
  /** Whether it failed lately. */
  isFailed(id: string, nowMs: number): boolean
  /** When the next one may be tried again; Infinity when none waits. */
  nextReturnMs(nowMs: number): number
  forget(id: string): void
}

export type Outcome = 'failed' | 'succeeded'

/** At most so many times the base time. */
const longestFactor = 6

/**
 * After the n-th failure in a row an instance is left out for n times the base time: the
 * outlier ejection of Envoy. A success, or a new life of the instance, forgets them all.
 */
export function createFeedback(failedMs: number): Feedback {
  const failed = new Map<string, { failures: number; untilMs: number }>()
  return {
    report(id, outcome, nowMs) {
      const failures = (failed.get(id)?.failures ?? 0) + 1
      if (outcome === 'succeeded') failed.delete(id)
      else failed.set(id, { failures, untilMs: nowMs + failedMs * Math.min(failures, longestFactor) })
    },
    isFailed: (id, nowMs) => (failed.get(id)?.untilMs ?? 0) > nowMs,
    nextReturnMs(nowMs) {
      let next = Number.POSITIVE_INFINITY
      for (const { untilMs } of failed.values()) if (untilMs > nowMs && untilMs < next) next = untilMs
      return next
    },
    forget: (id) => void failed.delete(id),
  }
}
