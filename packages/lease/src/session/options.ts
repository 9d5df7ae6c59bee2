import type { CoordinationStore } from '@holdfast/coordination'
import {
  type Backoff,
  type Clock,
  checkBackoff,
  checkFunction,
  checkMethods,
  checkNumber,
  checkString,
  type Random,
  systemClock,
  type WaitOptions,
} from '@holdfast/core'

/** `signal` ends the opening, not the session. */
export interface SessionOptions extends WaitOptions {
  /**
   * How long the store waits for a renewal before it gives away what the session holds, in
   * milliseconds, ≥ 2_000. It is renewed three times in that time. The store may grant more.
   * @default 10_000
   */
  ttlMs?: number
  /**
   * How long before the store's own deadline the session stops believing, in milliseconds,
   * from 10 to half of `ttlMs`. The default is right where clocks run at rates within 20 % of
   * one another. @default a fifth of what was granted
   */
  marginMs?: number
  /**
   * The pauses between attempts after a failure. Many sessions that begin again at once are
   * spread by its jitter; raise `maxMs` where thousands of hosts share one store.
   * @default { minMs: 20, maxMs: 100 }
   */
  backoff?: Partial<Backoff>
  /** Where openings are counted, by `nextIncarnation`: the incarnation of every registration that names none. @default none */
  stateFolder?: string
  /** How long closing may take to wind up and revoke, in milliseconds, ≥ 0. What it left, the store ends after `ttlMs`. @default 2_000 */
  closeTimeoutMs?: number
  /** @default systemClock */
  clock?: Clock
  /** @default Math.random */
  random?: Random
}

export interface CheckedSessionOptions {
  readonly ttlMs: number
  readonly marginMs: number | undefined
  readonly backoff: Backoff
  readonly stateFolder: string | undefined
  readonly closeTimeoutMs: number
  readonly clock: Clock
  readonly random: Random
}

export function checkSessionOptions(options: SessionOptions): CheckedSessionOptions {
  const ttlMs = checkNumber('ttlMs', options.ttlMs ?? 10_000, { min: 2_000, max: 86_400_000 })
  const { marginMs } = options
  if (marginMs !== undefined) checkNumber('marginMs', marginMs, { min: 10, max: ttlMs / 2 })
  return {
    ttlMs,
    marginMs,
    backoff: checkBackoff('backoff', { minMs: 20, maxMs: 100, ...options.backoff }),
    stateFolder:
      options.stateFolder === undefined ? undefined : checkString('stateFolder', options.stateFolder),
    closeTimeoutMs: checkNumber('closeTimeoutMs', options.closeTimeoutMs ?? 2_000, { min: 0 }),
    clock: checkMethods('clock', options.clock ?? systemClock, ['now', 'uptime', 'sleep']),
    random: checkFunction('random', options.random ?? Math.random),
  }
}

/** Checks a store that was passed in by structure. */
export function checkStore(store: CoordinationStore): CoordinationStore {
  return checkMethods('store', store, [
    'range',
    'transact',
    'watch',
    'grantLease',
    'keepAlive',
    'revokeLease',
  ])
}
