import type { Clock, Random } from '@holdfast/core'

export interface WakesOptions {
  readonly settleMs: readonly [quietMs: number, longestMs: number]
  readonly splayMs: number
  readonly clock: Clock
  readonly random: Random
  readonly signal: AbortSignal
}

/** A reason at hand, because the one that `abort()` makes by itself costs a stack trace; a fleet's worth of them adds up. */
const woken = 'woken'

/** Turns any number of hints into few, settled readings. */
export interface Wakes {
  /** Something may have changed. Wakes before the next `settled` are remembered as one. */
  wake(): void
  /** Waits for a wake, at most so long, then for the splay, then for quiet. True after a wake, false when the time was up or the signal aborted. */
  settled(longestMs: number): Promise<boolean>
}

export function createWakes({ settleMs, splayMs, clock, random, signal }: WakesOptions): Wakes {
  const [quietMs, mostMs] = settleMs
  let count = 0
  let handled = 0
  let asleep = new AbortController()
  signal.addEventListener('abort', () => asleep.abort(woken), { once: true })
  return { wake, settled }

  function wake(): void {
    count += 1
    asleep.abort(woken)
  }

  async function settled(longestMs: number): Promise<boolean> {
    if (signal.aborted) return false
    asleep = new AbortController()
    if (count === handled) await clock.sleep(longestMs, asleep.signal)
    if (count === handled || signal.aborted) return false
    if (splayMs > 0) await clock.sleep(random() * splayMs, signal)
    await quiet()
    handled = count
    return !signal.aborted
  }

  async function quiet(): Promise<void> {
    const until = clock.now() + mostMs
    for (let seen = -1; seen !== count && clock.now() < until && !signal.aborted; ) {
      seen = count
      await clock.sleep(Math.min(quietMs, until - clock.now()), signal)
    }
  }
}
