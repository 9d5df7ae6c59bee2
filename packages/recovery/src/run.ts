import { setMaxListeners } from 'node:events'
import type { Events } from '@holdfast/core'
import { type Chronicle, errorRecord } from './chronicle.ts'
import type { RecoveryEvents } from './events.ts'
import { type Graph, tiersOf } from './graph.ts'
import { isHealthy, type NoteError } from './health.ts'
import type { Outcome } from './journal/journal.ts'
import { type Report, type ReportStep, reportOf } from './report.ts'
import { nextSteps } from './schedule.ts'
import type { PlanSettings, StepSpec } from './settings.ts'
import { bringBack, type StepEnd, type StepRun } from './step.ts'
import { createTeardown } from './teardown.ts'
import { createTell } from './tell.ts'
import type { RunOptions } from './types.ts'

/** One run of a plan, at work. */
export interface Run {
  report(): Report
  /** Resolves when it is over, and tells whether it was aborted before its end. Never rejects. */
  readonly over: Promise<{ readonly abortedBy?: unknown }>
  abort(reason: unknown): void
  /** How many steps have a slot. */
  working(): number
}

/** What a run is conducted by. */
export interface Score {
  readonly graph: Graph<StepSpec>
  readonly settings: PlanSettings
  readonly options: RunOptions
  readonly events: Events<RecoveryEvents>
  readonly chronicle: Chronicle
  /** Who gets a free slot first. */
  readonly order: readonly string[]
  readonly run: string
}

/** Gives slots to steps until none is left that could use one. */
export function conduct(score: Score): Run {
  const { graph, settings, options, events, chronicle, order, run } = score
  const { clock, random, slots, rtoMs } = settings
  const stop = new AbortController()
  setMaxListeners(0, stop.signal) // each call of each step listens
  const past = new Map(reportOf(chronicle.records)!.steps.map((step) => [step.step, step]))
  const values = new Map<string, unknown>()
  const waiting = new Set(order)
  const working = new Set<string>()
  const ready = new Set<string>()
  /** Each step that failed or was skipped, with the one that failed. */
  const lost = new Map<string, string>()
  const teardown = createTeardown(graph, chronicle, values, stepRun)
  const ended = new AbortController()
  let finish!: () => void
  const over = new Promise<void>((resolve) => {
    finish = resolve
  }).then(end)

  for (const tier of tiersOf(graph)) void watchRto(tier)
  dispatch()
  return {
    over,
    abort: (reason) => stop.abort(reason),
    working: () => working.size,
    report: () => reportOf(chronicle.records)!,
  }

  function dispatch(): void {
    if (!stop.signal.aborted) {
      skipLost()
      for (const name of nextSteps(graph, waiting, ready, slots - working.size)) launch(name)
    }
    if (working.size === 0) finish()
  }

  function skipLost(): void {
    for (const { name, tier, needs } of graph.steps) {
      const because = needs.map((need) => lost.get(need)).find((cause) => cause !== undefined)
      if (because === undefined || !waiting.delete(name)) continue
      lost.set(name, because)
      events.emit('skipped', { step: name, tier, because })
      void chronicle.note({ type: 'skipped', step: name, because })
    }
  }

  function launch(name: string): void {
    waiting.delete(name)
    working.add(name)
    void bringBack(stepRun(name, stop.signal)).then((end) => {
      settle(name, end)
      working.delete(name)
      dispatch()
    })
  }

  function settle(name: string, end: StepEnd): void {
    const { tier } = graph.byName.get(name)!
    if ('ready' in end) {
      ready.add(name)
      if (isTierReady(tier)) events.emit('tierReady', { tier, atMs: chronicle.atMs(), rtoMs: rtoMs[tier]! })
      return
    }
    if (stop.signal.aborted) return
    const { phase, error } = end
    lost.set(name, name)
    events.emit('failed', { step: name, tier, phase, error })
    void chronicle.note({ type: 'failed', step: name, phase, error: errorRecord(error) })
  }

  function stepRun(name: string, signal: AbortSignal): StepRun {
    const spec = graph.byName.get(name)!
    return {
      spec,
      context: {
        key: `${run}.${name}`,
        folder: options.folder,
        mode: options.mode,
        needs: Object.fromEntries(spec.needs.map((need) => [need, values.get(need)])),
      },
      signal,
      clock,
      random,
      past: past.get(name) as ReportStep,
      tell: createTell({ step: name, tier: spec.tier }, chronicle, events, clock),
      hold: (value) => values.set(name, value),
      late: (value) => {
        values.set(name, value)
        if (options.mode === 'drill') void teardown.stop(name)
      },
      unhealthy: (noteError) => unhealthyOf(name, signal, noteError),
    }
  }

  /** Asks a step and all it stands on, at the same time. */
  async function unhealthyOf(
    name: string,
    signal: AbortSignal,
    noteError: NoteError,
  ): Promise<readonly string[]> {
    const names = [...graph.ancestors.get(name)!, name]
    const answers = await Promise.all(
      names.map((other) => isHealthy(stepRun(other, signal), values.get(other), noteError)),
    )
    return names.filter((_, at) => !answers[at])
  }

  function isTierReady(tier: number): boolean {
    return graph.steps.every((step) => step.tier !== tier || ready.has(step.name))
  }

  async function watchRto(tier: number): Promise<void> {
    await clock.sleep(rtoMs[tier]! - chronicle.atMs(), ended.signal)
    if (ended.signal.aborted || isTierReady(tier)) return
    events.emit('rtoExceeded', { tier, atMs: chronicle.atMs(), rtoMs: rtoMs[tier]! })
  }

  async function end(): Promise<{ readonly abortedBy?: unknown }> {
    ended.abort('over')
    const { aborted, reason } = stop.signal
    if (options.mode === 'drill') await teardown.stopAll()
    const outcome = outcomeOf(aborted)
    if (outcome) await chronicle.note({ type: 'ended', outcome })
    await chronicle.written()
    if (outcome) events.emit('ended', { report: reportOf(chronicle.records)! })
    return aborted ? { abortedBy: reason } : {}
  }

  /** Undefined where it can be resumed. */
  function outcomeOf(aborted: boolean): Outcome | undefined {
    if (aborted) return options.mode === 'drill' ? 'aborted' : undefined
    return ready.size === graph.steps.length ? 'recovered' : 'incomplete'
  }
}
