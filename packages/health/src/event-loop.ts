import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import { checkMethods, checkNumber } from '@holdfast/core'
import type { Check } from './check.ts'
import { healthError } from './errors.ts'

/** Where the event loop's lag is read from. */
export interface LagSource {
  /** The longest that the loop kept a due timer waiting, in milliseconds, since the last call or the one before. */
  read(): number
  close(): void
}

export interface EventLoopOptions {
  /** How often the lag is read, in milliseconds, ≥ 100. @default 1_000 */
  readonly intervalMs?: number
  /** The longest lag that passes, in milliseconds, ≥ 0. @default 1_000 */
  readonly maxLagMs?: number
  /** So many readings in a row over it make `live` fail: one long block, once over, is no reason to restart. @default 5 */
  readonly failAfter?: number
  /** @default the histogram of `perf_hooks.monitorEventLoopDelay` */
  readonly source?: LagSource
}

const resolutionMs = 10

/**
 * The platform's own measure: a timer in libuv that samples without running JavaScript.
 *
 * A histogram that was reset takes no sample until its second tick, so a block that begins right
 * after a reading would never be seen. Hence two, reset in turn: each reading is of the one that
 * has run for two.
 */
export function eventLoopDelay(): LagSource {
  let [older, younger] = [startHistogram(), startHistogram()]
  return {
    read() {
      // A sample spans from one tick of the timer to the next, so it holds the resolution too.
      const longestMs = older.count === 0 ? 0 : older.max / 1e6 - resolutionMs
      older.reset()
      ;[older, younger] = [younger, older]
      return Math.max(0, longestMs)
    },
    close() {
      older.disable()
      younger.disable()
    },
  }
}

function startHistogram(): IntervalHistogram {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs })
  histogram.enable()
  return histogram
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
