import { uptime } from 'node:os'
import { performance } from 'node:perf_hooks'

/** A source of numbers in [0, 1), such as `Math.random`. */
export type Random = () => number

/** All that holdfast knows of time. Inject a fake one in tests: `@holdfast/core/testing`. */
export interface Clock {
  /**
   * Monotonic milliseconds, with fractions, since an arbitrary origin.
   * Never goes back. Stands still while Linux is suspended: see `uptime`.
   */
  now(): number
  /** Milliseconds since the Unix epoch. May jump both ways: never measure with it. */
  wall(): number
  /** Milliseconds since the host started, in steps of 10 ms, suspended time included. */
  uptime(): number
  /**
   * Ends `ms` milliseconds later by `now()`, never earlier, and not in this
   * turn of the event loop even when `ms` is 0 or less. Ends early when the
   * signal aborts. `Infinity` waits for the signal alone. Never rejects,
   * but for a `ms` that is not a number, with a RangeError.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

/** Node's longest timer, in milliseconds; longer ones fire at once. */
const longestTimerMs = 2 ** 31 - 1

/** The time of this machine. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  uptime: () => uptime() * 1_000,
  sleep: async (ms, signal) => {
    if (Number.isNaN(ms)) throw new RangeError('sleep: ms must be a number, got NaN')
    if (signal?.aborted) return
    await new Promise<void>((resolve) => {
      const end = performance.now() + ms
      let timer = setTimeout(tick, timerMs(ms))
      signal?.addEventListener('abort', finish, { once: true })

      function tick(): void {
        const left = end - performance.now()
        if (left <= 0) finish()
        else timer = setTimeout(tick, timerMs(left))
      }

      function finish(): void {
        clearTimeout(timer)
        signal?.removeEventListener('abort', finish)
        resolve()
      }
    })
  },
}

function timerMs(ms: number): number {
  return Math.min(Math.max(Math.ceil(ms), 0), longestTimerMs)
}
