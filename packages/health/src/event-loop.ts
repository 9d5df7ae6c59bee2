import { monitorEventLoopDelay } from 'node:perf_hooks'
import { checkMethods, checkNumber } from '@holdfast/core'
import type { Check } from './check.ts'
import { healthError } from './errors.ts'

/** Where the event loop's lag is read from. */
export interface LagSource {
  /** The longest that the loop kept a due timer waiting since the last call, in milliseconds. */
  read(): number
  close(): void
}

export interface EventLoopOptions {
  /** How often the lag is read, in milliseconds, ≥ 100. @default 1_000 */
  readonly intervalMs?: number
  /** The longest lag between two readings that passes, in milliseconds. @default 1_000 */
  readonly maxLagMs?: number
  /** So many readings in a row over it make `live` fail: one long block, once over, is no reason to restart. @default 5 */
  readonly failAfter?: number
  /** @default the histogram of `perf_hooks.monitorEventLoopDelay` */
  readonly source?: LagSource
}

const resolutionMs = 10

/** The platform's own measure: a timer in libuv that samples without running JavaScript. */
export function eventLoopDelay(): LagSource {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  return {
    read() {
      // A sample spans from one tick of the timer to the next, so it holds the resolution too.
      const longestMs = histogram.count === 0 ? 0 : histogram.max / 1e6 - resolutionMs
      histogram.reset()
      return Math.max(0, longestMs)
    },
    close: () => histogram.disable(),
  }
}

export function eventLoopCheck(options: EventLoopOptions, source: LagSource): Check {
  const { intervalMs = 1_000, maxLagMs = 1_000, failAfter = 5 } = options
  checkNumber('eventLoop.intervalMs', intervalMs, { min: 100 })
  checkNumber('eventLoop.maxLagMs', maxLagMs, { min: 0 })
  checkMethods('eventLoop.source', source, ['read', 'close'])
  return { name: 'event-loop', scope: 'process', gates: ['live'], intervalMs, failAfter, run }

  async function run(): Promise<{ value: number; unit: string }> {
    const lagMs = source.read()
    if (lagMs <= maxLagMs) return { value: lagMs, unit: 'ms' }
    throw healthError(
      'CHECK_FAILED',
      `A timer was kept waiting for ${Math.round(lagMs)} ms, at most ${maxLagMs} ms is well; look for what blocks the event loop`,
      {
        fields: { lagMs, maxLagMs },
      },
    )
  }
}
