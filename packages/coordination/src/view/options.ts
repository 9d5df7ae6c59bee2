import {
  type Backoff,
  type Clock,
  checkBackoff,
  checkFunction,
  checkInteger,
  checkMethods,
  checkNumber,
  type Random,
  systemClock,
} from '@holdfast/core'
import type { Selection } from '../store.ts'

export interface ViewKnobs {
  /** The bound on `staleMs` to keep while the store answers, in milliseconds, ≥ 100. A small read is sent every half of it. @default 5_000 */
  maxStaleMs?: number
  /** About how often, ± a quarter, everything is compared with the store, in milliseconds, ≥ 1_000; `Infinity` for never. @default 60_000 */
  antiEntropyMs?: number
  /** How long opening tries, in milliseconds, > 0. @default 5_000 */
  openTimeoutMs?: number
  /** The pauses between attempts to watch again. @default { minMs: 50, maxMs: 1_000 } */
  backoff?: Partial<Backoff>
  /** Ends the opening, not the view. */
  signal?: AbortSignal | undefined
  /** @default systemClock */
  clock?: Clock
  /** @default Math.random */
  random?: Random
}

/** What to view, `{ prefix }` or `{ key }`, and how. */
export type ViewOptions = Selection & ViewKnobs

export interface CheckedViewOptions {
  readonly selection: Selection
  readonly maxStaleMs: number
  readonly antiEntropyMs: number
  readonly openTimeoutMs: number
  readonly backoff: Backoff
  readonly clock: Clock
  readonly random: Random
}

export function checkViewOptions(options: ViewOptions): CheckedViewOptions {
  const forever = { max: Number.POSITIVE_INFINITY }
  return {
    selection: checkSelection(options),
    maxStaleMs: checkNumber('maxStaleMs', options.maxStaleMs ?? 5_000, { min: 100, max: 86_400_000 }),
    antiEntropyMs: checkNumber('antiEntropyMs', options.antiEntropyMs ?? 60_000, { min: 1_000, ...forever }),
    openTimeoutMs: checkNumber('openTimeoutMs', options.openTimeoutMs ?? 5_000, {
      min: Number.MIN_VALUE,
      ...forever,
    }),
    backoff: checkBackoff('backoff', { minMs: 50, maxMs: 1_000, ...options.backoff }),
    clock: checkMethods('clock', options.clock ?? systemClock, ['now', 'uptime', 'sleep']),
    random: checkFunction('random', options.random ?? Math.random),
  }
}

/** How many changes may wait for a slow consumer. */
export function checkMaxPending(maxPending = 1_000): number {
  return checkInteger('maxPending', maxPending, { min: 1 })
}

function checkSelection(options: Selection): Selection {
  const { key, prefix } = options as { key?: unknown; prefix?: unknown }
  if (typeof prefix === 'string' && key === undefined) return { prefix }
  if (typeof key === 'string' && key !== '' && prefix === undefined) return { key }
  throw new TypeError('a view must have either a prefix, which may be empty, or a key, which may not')
}
