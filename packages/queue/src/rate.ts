import { type Clock, checkInteger, checkNumber } from '@holdfast/core'

export interface RateOptions {
  /** Starts in each `perMs`, ≥ 1; as many may come at once. */
  max: number
  /** Milliseconds, > 0. */
  perMs: number
}

/** A token bucket: refilled evenly, `max` at most. */
export interface Rate {
  /** Waits until at least one may start; resolves to how many may. 0 after the signal aborts. */
  allowance(signal: AbortSignal): Promise<number>
  use(count: number): void
}

export function createRate(options: RateOptions | undefined, clock: Clock): Rate {
  if (!options) return { allowance: async () => Number.POSITIVE_INFINITY, use: () => undefined }
  const max = checkInteger('rate.max', options.max, { min: 1 })
  const perMs = checkNumber('rate.perMs', options.perMs, { min: Number.MIN_VALUE })
  let tokens = max
  let countedAt = clock.now()
  return { allowance, use }

  async function allowance(signal: AbortSignal): Promise<number> {
    for (refill(); tokens < 1; refill()) {
      if (signal.aborted) return 0
      await clock.sleep(((1 - tokens) * perMs) / max, signal)
    }
    return Math.floor(tokens)
  }

  function refill(): void {
    const now = clock.now()
    // Rounding must not leave a token forever short by a hair.
    tokens = Math.min(max, tokens + ((now - countedAt) * max) / perMs + 1e-9)
    countedAt = now
  }

  function use(count: number): void {
    tokens -= count
  }
}
