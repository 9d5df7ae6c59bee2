import type { Rhythm } from './phi.ts'

/** The latest intervals of one sender, in milliseconds. */
export interface Window {
  add(intervalMs: number): void
  rhythm(): Rhythm
}

/** Keeps the latest `size` intervals, ≥ 2. Begins with the sender's own word, spread by a quarter as in Akka, until that has been pushed out. */
export function createWindow(size: number, announcedMs: number): Window {
  const samples = new Float64Array(size)
  let count = 0
  let known: Rhythm | undefined
  add(0.75 * announcedMs)
  add(1.25 * announcedMs)
  return { add, rhythm: () => (known ??= measure(samples.subarray(0, Math.min(count, size)))) }

  function add(intervalMs: number): void {
    samples[count % size] = intervalMs
    count += 1
    known = undefined
  }
}

function measure(samples: Float64Array): Rhythm {
  const meanMs = samples.reduce((sum, sample) => sum + sample, 0) / samples.length
  const variance = samples.reduce((sum, sample) => sum + (sample - meanMs) ** 2, 0) / samples.length
  return { meanMs, deviationMs: Math.sqrt(variance) }
}
