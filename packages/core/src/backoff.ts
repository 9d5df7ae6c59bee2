import type { Random } from './clock.ts'
import { checkNumber, checkOneOf } from './options.ts'

/** How long to pause after each failure in a row. */
export interface Backoff {
  /** Pause after the first failure, in milliseconds, ≥ 0. @default 100 */
  minMs: number
  /** No pause is longer than this, in milliseconds, ≥ `minMs`. @default 30_000 */
  maxMs: number
  /** Each pause is this many times the one before, ≥ 1. @default 2 */
  factor: number
  /**
   * `full` draws from [0, pause], `equal` from [pause / 2, pause], `none` draws nothing.
   * Names and shapes are those of AWS' "Exponential Backoff And Jitter" (M. Brooker, 2015).
   * @default 'full'
   */
  jitter: 'full' | 'equal' | 'none'
}

/** Fills in the defaults and checks the ranges; errors name the option below `name`. */
export function checkBackoff(name: string, backoff: Partial<Backoff> = {}): Backoff {
  const { minMs = 100, maxMs = Math.max(30_000, minMs), factor = 2, jitter = 'full' } = backoff
  checkNumber(`${name}.minMs`, minMs, { min: 0 })
  checkNumber(`${name}.maxMs`, maxMs, { min: minMs })
  checkNumber(`${name}.factor`, factor, { min: 1 })
  checkOneOf(`${name}.jitter`, jitter, ['full', 'equal', 'none'])
  return { minMs, maxMs, factor, jitter }
}

/** The pause in milliseconds after so many failures in a row, from 1. Pure but for `random`. */
export function backoffMs(backoff: Backoff, failures: number, random: Random): number {
  const pauseMs = Math.min(backoff.maxMs, backoff.minMs * backoff.factor ** Math.max(0, failures - 1))
  if (backoff.jitter === 'full') return pauseMs * random()
  return backoff.jitter === 'equal' ? pauseMs / 2 + (pauseMs / 2) * random() : pauseMs
}
