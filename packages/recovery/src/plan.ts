import { createEvents } from '@holdfast/core'
import { startRun } from './begin.ts'
import { recoveryError } from './errors.ts'
import type { RecoveryEvents } from './events.ts'
import { arrange, type Forecast } from './forecast.ts'
import { buildGraph, type Graph, wavesOf } from './graph.ts'
import { problemsOf } from './problems.ts'
import type { Report } from './report.ts'
import type { Run } from './run.ts'
import {
  type AnyStep,
  checkFigures,
  checkPlanOptions,
  checkRunOptions,
  checkStep,
  type StepSpec,
} from './settings.ts'
import { statsOf } from './stats.ts'
import type { Figures, Plan, PlanOptions, RunningRecovery, RunOptions } from './types.ts'

/** A plan as this file sees it: the types of the steps are the compiler's affair alone. */
interface Builder extends Omit<Plan<Record<string, unknown>, number>, 'step'> {
  step(name: string, step: AnyStep): Builder
}

/**
 * Describes how services come back: add the steps, look at `forecast` and
 * `problems`, prove them by a drill, and `run` it when it is needed.
 *
 * Inert until then. Bad options throw a `TypeError` or `RangeError` here and in `step`.
 */
export function planRecovery<const Rto extends Readonly<Record<number, number>>>(
  options: PlanOptions<Rto>,
): Plan<Record<never, never>, keyof Rto & number> {
  const settings = checkPlanOptions(options)
  const specs = new Map<string, StepSpec>()
  const events = createEvents<RecoveryEvents>()
  let running = false

  const builder: Builder = {
    on: events.on,
    step(name, step) {
      if (running) throw alreadyRunning(`step '${name}' cannot be added`)
      specs.set(name, checkStep(name, step, specs, settings))
      return builder
    },
    waves: () => wavesOf(graph()),
    forecast,
    problems: (figures) => problemsOf(graph(), forecast(figures), figures),
    start,
    run: async (runOptions) => (await start(runOptions)).finished,
  }
  return builder as unknown as Plan<Record<never, never>, keyof Rto & number>

  function graph(): Graph<StepSpec> {
    return buildGraph([...specs.values()])
  }

  function forecast(figures?: Figures): Forecast {
    return arrange(graph(), settings, checkFigures(figures)).forecast
  }

  async function start(given: RunOptions): Promise<RunningRecovery> {
    const runOptions = checkRunOptions(given)
    runOptions.signal?.throwIfAborted()
    if (running) throw alreadyRunning('wait for its end, or close it')
    running = true
    try {
      const run = await startRun(graph(), settings, runOptions, events)
      void run.over.then(() => {
        running = false
      })
      return runningRecovery(run, runOptions.signal)
    } catch (error) {
      running = false
      throw error
    }
  }

  function runningRecovery(run: Run, signal: AbortSignal | undefined): RunningRecovery {
    const onAbort = (): void => run.abort(signal?.reason)
    if (signal?.aborted) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    const finished = run.over.then((end) => {
      signal?.removeEventListener('abort', onAbort)
      if ('abortedBy' in end) throw end.abortedBy
      return run.report()
    })
    const exited = finished.then((report) => {
      if (report.outcome !== 'recovered') throw incomplete(report)
    })
    // Whoever does not wait for them learns the same from the report and the events.
    for (const promise of [finished, exited]) promise.catch(() => undefined)
    return {
      ...{ on: events.on, report: run.report, stats: () => statsOf(run), finished, exited },
      ...{ close, [Symbol.asyncDispose]: close },
    }

    async function close(): Promise<void> {
      run.abort(recoveryError('RECOVERY_CLOSED', 'The run was closed: start it again with the same journal'))
      await run.over
    }
  }
}

function alreadyRunning(what: string): Error {
  return recoveryError('RECOVERY_ALREADY_RUNNING', `The plan is running; ${what}`)
}

function incomplete({ run, steps }: Report): Error {
  const missing = steps.filter(({ state }) => state !== 'ready').map(({ step }) => step)
  return recoveryError(
    'RECOVERY_INCOMPLETE',
    `${run} is over without ${missing.join(', ')}: the report says why; start it again with the same journal`,
    { fields: { run, missing } },
  )
}
