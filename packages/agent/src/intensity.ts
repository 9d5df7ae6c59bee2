import type { Backoff } from '@holdfast/core'
import type { Intensity } from './types.ts'

/** The times of the restarts that still count, oldest first. */
export type Window = readonly number[]

/** Notes a restart at `now`, forgetting those that have left the window: it is `perMs` long, and open at its far end. */
export function noteRestart(window: Window, now: number, { perMs }: Intensity): Window {
  return [...recent(window, now, perMs), now]
}

export function recent(window: Window, now: number, perMs: number): Window {
  return window.filter((at) => at > now - perMs)
}

/** Whether more restarts fell into the window than the intensity lets pass. */
export function isExceeded(window: Window, { max }: Intensity): boolean {
  return window.length > max
}

/** Failures in a row, this one counted, given how long the unit was up before it. */
export function failuresInARow(before: number, upMs: number, healthyAfterMs: number): number {
  return upMs >= healthyAfterMs ? 1 : before + 1
}

/**
 * The longest time in milliseconds from the first failure to the one that
 * exceeds the intensity, for a unit that fails as soon as it is started:
 * the sum of the first `max` pauses, without jitter's shortening.
 */
export function longestCrashLoopMs({ minMs, maxMs, factor }: Backoff, max: number): number {
  let sumMs = 0
  let pauseMs = Math.min(minMs, maxMs)
  for (let left = max; left > 0; left -= 1) {
    const grows = factor > 1 && pauseMs < maxMs && pauseMs > 0
    if (!grows) return sumMs + pauseMs * left
    sumMs += pauseMs
    pauseMs = Math.min(maxMs, pauseMs * factor)
  }
  return sumMs
}
