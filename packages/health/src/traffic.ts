import { checkMethods, type Running } from '@holdfast/core'
import type { Health } from './health.ts'

export interface TrafficOptions {
  /** Best one that was started with `traffic: 'held'`. */
  readonly health: Pick<Health, 'admit' | 'drain'>
}

/**
 * Admits traffic for as long as it runs: the last unit of an agent, which needs all that serves.
 *
 * Once it is there, everything is up, and `startup` and `ready` go by their
 * checks. It is the first to drain: `ready` fails at once, and `drainDelayMs`
 * passes before anything below it drains. Closed without that, as when it is
 * restarted, `ready` fails until it is there again.
 */
export function startTraffic({ health }: TrafficOptions): Running {
  checkMethods('health', health, ['admit', 'drain'])
  const close = health.admit()
  return {
    drain: (options) => health.drain(options),
    close: async () => close(),
    [Symbol.asyncDispose]: async () => close(),
  }
}
