import { type Random, retry } from '@holdfast/core'
import { callSettled, type Outcome } from './call.ts'
import { recoveryError, timedOut } from './errors.ts'
import { type Asked, isHealthy, type NoteError, untilHealthy } from './health.ts'
import type { ReportStep } from './report.ts'
import type { Tell } from './tell.ts'
import type { Phase, StepContext } from './types.ts'

/** What one step of one run works with. */
export interface StepRun extends Asked {
  readonly random: Random
  /** What the journal says about it, from before this process. */
  readonly past: ReportStep
  readonly tell: Tell
  /** Told its value as soon as it is known. */
  readonly hold: (value: unknown) => void
  /** A start that was given up and succeeded after all. */
  readonly late: (value: unknown) => void
  /** Which of this step and all it stands on is not healthy now. */
  readonly unhealthy: (noteError: NoteError) => Promise<readonly string[]>
}

export type StepEnd = { readonly ready: true } | { readonly phase: Phase; readonly error: unknown }

/**
 * Brings one step back: state → verify → start → healthy → traffic. Never rejects.
 *
 * What `state` finds is neither verified nor started; traffic opens only when
 * the step and all it stands on was healthy in the moment before.
 */
export async function bringBack(run: StepRun): Promise<StepEnd> {
  const { spec, context, signal, clock, past, tell } = run
  const { limits } = spec
  const begunMs = clock.now()
  let phase: Phase = 'state'
  try {
    const found = await attempted('state', () => ask(run))
    const confirms = found !== undefined && past.state === 'ready'
    if (!confirms) tell.began()
    const value = found === undefined ? await startAnew() : await takeFound(found)
    const healthyMs = await becomeHealthy(value)
    if (confirms) return { ready: true }
    tell.healthy(healthyMs)
    const trafficMs = await openTraffic(value)
    const whole = found === undefined && past.starts === 0
    await tell.ready(clock.now() - begunMs, whole, trafficMs)
    return { ready: true }
  } catch (error) {
    return { phase, error }
  }

  async function takeFound(value: unknown): Promise<unknown> {
    if (context.mode === 'drill' && past.starts === 0) throw notIsolated(spec.name)
    run.hold(value)
    tell.found()
    return value
  }

  async function startAnew(): Promise<unknown> {
    const { verify } = spec
    if (verify) {
      const verifyMs = await timed(() =>
        attempted('verify', () => call(run, 'verify', limits.verifyTimeoutMs, verify)),
      )
      tell.verified(verifyMs)
    }
    const begun = clock.now()
    const value = await attempted('start', startOnce)
    run.hold(value)
    tell.started(clock.now() - begun)
    signal.throwIfAborted()
    return value
  }

  async function startOnce(attempt: number): Promise<unknown> {
    const there = attempt > 1 ? await ask(run) : undefined
    if (there !== undefined) return there
    await tell.starting(attempt)
    const value = await call(run, 'start', limits.startTimeoutMs, spec.start)
    if (value !== undefined) return value
    throw new TypeError(`start of step '${spec.name}' must return a value, got undefined`)
  }

  async function becomeHealthy(value: unknown): Promise<number> {
    phase = 'healthy'
    const answer = async (noteError: NoteError): Promise<readonly string[]> =>
      (await isHealthy(run, value, noteError)) ? [] : [spec.name]
    return timed(() => tell.phase('healthy', 1, () => untilHealthy(run, answer)))
  }

  /** Undefined where there is none to open. */
  async function openTraffic(value: unknown): Promise<number | undefined> {
    const { traffic } = spec
    let told = false
    const gate = (): Promise<void> =>
      untilHealthy(run, async (noteError) => {
        const unhealthy = await run.unhealthy(noteError)
        if (unhealthy.length > 0 && !told) tell.reverted(unhealthy)
        told ||= unhealthy.length > 0
        return unhealthy
      })
    if (context.mode === 'drill' || !traffic) return void (await gate())
    return timed(() =>
      attempted('traffic', async () => {
        await gate()
        await call(run, 'traffic', limits.trafficTimeoutMs, (plain) => traffic({ ...plain, value }))
      }),
    )
  }

  async function attempted<T>(of: Phase, operation: (attempt: number) => Promise<T>): Promise<T> {
    phase = of
    return retry((attempt) => tell.phase(of, attempt, () => operation(attempt)), {
      attempts: limits.attempts,
      backoff: limits.backoff,
      signal,
      clock,
      random: run.random,
      onRetry: (failure) => tell.retry(of, failure),
    })
  }

  async function timed(operation: () => Promise<unknown>): Promise<number> {
    const begun = clock.now()
    await operation()
    return clock.now() - begun
  }
}

/** Asks a step whether it has been started. */
export function ask(run: StepRun): Promise<unknown> {
  return call(run, 'state', run.spec.limits.stateTimeoutMs, run.spec.state)
}

/** Ends what a drill started. */
export async function stopStep(run: StepRun, value: unknown): Promise<void> {
  const { stop, limits } = run.spec
  if (!stop) return
  await run.tell.phase('stop', 1, () =>
    call(run, 'stop', limits.stopTimeoutMs, (plain) => stop({ ...plain, value })),
  )
}

/** Calls one of a step's functions under its deadline. */
function call<T>(
  run: StepRun,
  phase: Phase,
  timeoutMs: number,
  operation: (context: StepContext) => Promise<T>,
): Promise<T> {
  const { spec, context, signal, clock } = run
  return callSettled((scope) => operation({ ...context, signal: scope }), {
    timeoutMs,
    graceMs: spec.limits.graceMs,
    signal,
    clock,
    onTimeout: () => timedOut(spec.name, phase, timeoutMs),
    onUnsettled: (reason, late) => {
      if (phase === 'start') void late.then((outcome) => takeLate(run, outcome))
      return unsettled(spec.name, phase, reason)
    },
  })
}

function takeLate(run: StepRun, outcome: Outcome<unknown>): void {
  if ('value' in outcome) run.late(outcome.value)
}

function unsettled(step: string, phase: Phase, cause: unknown): Error {
  return recoveryError(
    'STEP_UNSETTLED',
    `'${phase}' of step '${step}' goes on although its signal was aborted: it is not called again. Let it heed the signal`,
    { cause, fields: { step, phase } },
  )
}

function notIsolated(step: string): Error {
  return recoveryError(
    'DRILL_NOT_ISOLATED',
    `Step '${step}' answered a drill that it has been started, but this drill did not: its state must look at the folder and the key`,
    { fields: { step } },
  )
}
