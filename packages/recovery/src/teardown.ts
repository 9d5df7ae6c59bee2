import { type Chronicle, errorRecord } from './chronicle.ts'
import type { Graph } from './graph.ts'
import { reportOf } from './report.ts'
import { ask, type StepRun, stopStep } from './step.ts'

/** Ends what a drill started. Never rejects: what fails is written down. */
export interface Teardown {
  /** After every stop of the same step that was asked for before. */
  stop(name: string): Promise<void>
  /** Dependents first; resolves when every stop is over. */
  stopAll(): Promise<void>
}

export function createTeardown(
  { steps }: Graph,
  chronicle: Chronicle,
  values: Map<string, unknown>,
  stepRun: (name: string, signal: AbortSignal) => StepRun,
): Teardown {
  const stops = new Map<string, Promise<void>>()
  return { stop, stopAll }

  function stop(name: string): Promise<void> {
    const stopped = (stops.get(name) ?? Promise.resolve()).then(() => stopNow(name))
    stops.set(name, stopped)
    return stopped
  }

  async function stopAll(): Promise<void> {
    for (const { name } of steps.toReversed()) await stop(name)
    await Promise.all(stops.values())
  }

  async function stopNow(name: string): Promise<void> {
    if (!hasBegun(name)) return
    const run = stepRun(name, new AbortController().signal)
    try {
      // What is not known to be up may be so all the same: a start of it was begun.
      const value = values.has(name) ? values.get(name) : await ask(run)
      values.delete(name)
      if (value === undefined) return
      await stopStep(run, value)
      await chronicle.note({ type: 'stopped', step: name })
    } catch (error) {
      await chronicle.note({ type: 'stopped', step: name, error: errorRecord(error) })
    }
  }

  function hasBegun(name: string): boolean {
    return reportOf(chronicle.records)!.steps.some(({ step, starts }) => step === name && starts > 0)
  }
}
