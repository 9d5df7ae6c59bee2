import {
  type Clock,
  checkFunction,
  checkString,
  createEvents,
  type On,
  type Running,
  systemClock,
} from '@holdfast/core'
import { Cron } from 'croner'

export interface ScheduleOptions {
  /** When, as cron says it: `0 * * * *` for every hour; with a sixth field in front for seconds; or `@daily`. */
  cron: string
  /** What to do, such as a backup, then `forget` and `collect`. Its signal aborts when the schedule is closed. */
  run: (signal: AbortSignal) => Promise<unknown>
  /** Where the hours are those of. @default 'UTC' */
  timeZone?: string
  /** @default systemClock */
  clock?: Clock
}

export interface ScheduleEvents {
  /** A run ended, after so many milliseconds. */
  ran(durationMs: number): void
  /** A run failed. The next one comes at its time. */
  failed(error: unknown): void
  /** So many times passed while a run was still going on; they are not made up for. */
  skipped(times: number): void
}

export interface Schedule extends Running {
  readonly on: On<ScheduleEvents>
  /** When the next run is due, in milliseconds since the Unix epoch; undefined when there is none. */
  next(): number | undefined
}

/** A wall clock may be set meanwhile: no sleep is longer than this, in milliseconds. */
const longestSleepMs = 60_000

/**
 * Runs a task at the times that a cron pattern says, by the wall clock.
 *
 * Runs never overlap. Times that pass during a run, or while the host is
 * suspended, are skipped. Closing aborts the run in hand and waits for it.
 */
export function startSchedule(options: ScheduleOptions): Schedule {
  const { clock = systemClock, timeZone = 'UTC' } = options
  const run = checkFunction('run', options.run)
  const cron = parse(options.cron, timeZone)
  const events = createEvents<ScheduleEvents>()
  const stop = new AbortController()
  let due = after(clock.wall())
  const stopped = loop(stop.signal)
  return { on: events.on, next: () => due, close, [Symbol.asyncDispose]: close }

  async function loop(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && due !== undefined) {
      const leftMs = due - clock.wall()
      if (leftMs > 0) await clock.sleep(Math.min(leftMs, longestSleepMs), signal)
      else await runOnce(signal, due)
    }
  }

  async function runOnce(signal: AbortSignal, at: number): Promise<void> {
    const begun = clock.now()
    const failure = await settle(signal)
    if (signal.aborted) return
    const skipped = timesBetween(at, clock.wall())
    due = after(Math.max(at, clock.wall()))
    if (failure) events.emit('failed', failure.error)
    else events.emit('ran', clock.now() - begun)
    if (skipped > 0) events.emit('skipped', skipped)
  }

  async function settle(signal: AbortSignal): Promise<{ error: unknown } | undefined> {
    try {
      await run(signal)
      return undefined
    } catch (error) {
      return { error }
    }
  }

  function timesBetween(from: number, to: number): number {
    let times = 0
    for (let at = after(from); at !== undefined && at <= to && times < 1_000; at = after(at)) times += 1
    return times
  }

  function after(timeMs: number): number | undefined {
    return cron.nextRun(new Date(timeMs))?.getTime()
  }

  async function close(): Promise<void> {
    stop.abort()
    await stopped
  }
}

function parse(pattern: string, timeZone: string): Cron {
  try {
    const cron = new Cron(checkString('cron', pattern), { timezone: timeZone, paused: true })
    cron.nextRun(new Date(0)) // Throws for a zone that there is not.
    return cron
  } catch (cause) {
    throw new RangeError(
      `cron must be a pattern such as '0 * * * *', got ${JSON.stringify(pattern)} in ${timeZone}`,
      { cause },
    )
  }
}
