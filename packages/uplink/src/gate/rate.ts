import type { Rate } from '../types.ts'

/** A token bucket of `rate.max` tokens, refilled evenly. Pure; `at` is the clock's `now`. */
export interface Bucket {
  readonly tokens: number
  readonly at: number
}

export function fullBucket(rate: Rate, now: number): Bucket {
  return { tokens: rate.max, at: now }
}

/** Milliseconds until so many tokens are there; more than the bucket holds count as a full one. */
export function tokensInMs(bucket: Bucket, wanted: number, rate: Rate, now: number): number {
  const lacking = Math.min(wanted, rate.max) - refilled(bucket, rate, now)
  return Math.max(0, (lacking * rate.perMs) / rate.max)
}

/** Takes the tokens, into debt where there are too few. */
export function takeTokens(bucket: Bucket, taken: number, rate: Rate, now: number): Bucket {
  return { tokens: refilled(bucket, rate, now) - taken, at: now }
}

function refilled({ tokens, at }: Bucket, { max, perMs }: Rate, now: number): number {
  return Math.min(max, tokens + ((now - at) * max) / perMs)
}
