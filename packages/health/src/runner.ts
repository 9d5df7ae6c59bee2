import { type Clock, type Random, withTimeout } from '@holdfast/core'
import type { Observation } from './check.ts'
import type { CheckPlan } from './check-plan.ts'
import type { Outcome } from './check-state.ts'
import { healthError } from './errors.ts'

/** Runs that ignored their signal and never ended; beyond so many the check is not run again. */
const mostAbandoned = 3

/** A timer that fires this much late tells of a stalled event loop: the answer may lie unread. */
const stalledAfterMs = 1_000

export interface RunnerOptions {
  readonly check: CheckPlan
  readonly clock: Clock
  readonly random: Random
  /** While true, the check is not run. */
  readonly isBlocked: () => boolean
  /** Called at the end of each run that counts. */
  readonly ended: (outcome: Outcome, durationMs: number) => void
}

export interface Runner {
  /** Ends the pause: the next run starts now. */
  wake(): void
  /** Aborts the run in flight and drops its result. Resolves when nothing will follow. */
  stop(): Promise<void>
}

/**
 * Runs a check in the next microtask, then after every pause, one run at a time, until stopped.
 *
 * The first pause is drawn from [0, intervalMs], so that a thousand checks
 * added together do not run in step ever after. A run whose timeout was missed
 * only because this process itself stood still is not counted, but repeated:
 * at once, and after the pause if that comes to the same, for then the check
 * itself may be what holds the process up.
 */
export function startRunner({ check, clock, random, isBlocked, ended }: RunnerOptions): Runner {
  const stop = new AbortController()
  let pause = new AbortController()
  let abandoned = 0
  const stopped = Promise.resolve().then(run)
  return {
    wake: () => pause.abort(),
    async stop() {
      stop.abort()
      pause.abort()
      await stopped
    },
  }

  async function run(): Promise<void> {
    let pauseMs = check.intervalMs * random()
    let stalled = false
    while (!stop.signal.aborted) {
      if (pause.signal.aborted) pause = new AbortController()
      stalled = !isBlocked() && (await runOnce()) === 'stalled' && !stalled
      if (stop.signal.aborted) return
      await clock.sleep(stalled ? 0 : pauseMs, pause.signal)
      pauseMs = check.intervalMs
    }
  }

  async function runOnce(): Promise<'counted' | 'stalled'> {
    const startedAt = clock.now()
    const outcome = await attempt()
    const durationMs = clock.now() - startedAt
    if (stop.signal.aborted) return 'counted'
    if (outcome.kind === 'timed-out' && durationMs >= check.timeoutMs + stalledAfterMs) return 'stalled'
    ended(outcome, durationMs)
    return 'counted'
  }

  async function attempt(): Promise<Outcome> {
    if (abandoned >= mostAbandoned) return { kind: 'timed-out', error: timeoutError() }
    let late: Error | undefined
    const onTimeout = (): Error => {
      late = timeoutError()
      return late
    }
    try {
      const { timeoutMs } = check
      const observation = await withTimeout(runTracked, { timeoutMs, onTimeout, signal: stop.signal, clock })
      return { kind: 'passed', observation: observation ?? {} }
    } catch (error) {
      return { kind: late !== undefined && error === late ? 'timed-out' : 'failed', error }
    }
  }

  // biome-ignore lint/suspicious/noConfusingVoidType: as Check.run
  async function runTracked(signal: AbortSignal): Promise<Observation | void> {
    abandoned += 1
    try {
      return await check.run(signal)
    } finally {
      abandoned -= 1
    }
  }

  function timeoutError(): Error {
    return healthError(
      'CHECK_TIMEOUT',
      `No answer within ${check.timeoutMs} ms; it is run again in ${check.intervalMs} ms`,
      { fields: { check: check.name, timeoutMs: check.timeoutMs } },
    )
  }
}
