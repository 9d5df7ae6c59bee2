import { setMaxListeners } from 'node:events'
import type { Events } from '@holdfast/core'
import { type Chronicle, createChronicle, errorRecord } from './chronicle.ts'
import { recoveryError } from './errors.ts'
import type { RecoveryEvents } from './events.ts'
import { durationsOf, forecastOf } from './forecast.ts'
import type { Graph } from './graph.ts'
import type { DeclaredPlan, Outcome } from './journal/journal.ts'
import { priorityOrder } from './priority.ts'
import { type Report, type ReportStep, reportOf } from './report.ts'
import { nextSteps } from './schedule.ts'
import type { PlanSettings, StepSpec } from './settings.ts'
import { ask, bringBack, isHealthy, type StepEnd, type StepRun, stopStep } from './step.ts'
import { createTell } from './tell.ts'
import type { RunOptions } from './types.ts'

/** One run of a plan, at work. */
export interface Run {
  report(): Report
  /** Resolves when it is over, however it ended. Never rejects. */
  readonly over: Promise<void>
  readonly aborted: AbortSignal
  abort(reason: unknown): void
  /** How many steps have a slot. */
  working(): number
}

/** Begins a run, or goes on with the journal's. Rejects where that is not possible; nothing has been called then. */
export async function startRun(
  graph: Graph<StepSpec>,
  settings: PlanSettings,
  options: RunOptions,
  events: Events<RecoveryEvents>,
): Promise<Run> {
  const { clock } = settings
  const { journal, mode, folder, figures } = options
  const before = await journal.read()
  const past = reportOf(before)
  if (past) checkResumable(past, options)
  const declaredAt = past?.declaredAt ?? options.declaredAt ?? clock.wall()
  const chronicle = createChronicle({ journal, before, declaredAt, clock, events })
  const plan = declaredPlan(graph, settings, options)
  const run = past?.run ?? newRunName(declaredAt, settings.random)
  if (past) await chronicle.noteSurely({ type: 'resumed', plan })
  else await chronicle.noteSurely({ type: 'declared', run, mode, folder, declaredAt, plan })
  options.signal?.throwIfAborted()
  const order = priorityOrder(graph, durationsOf(graph, figures), settings.slots)
  events.emit('began', { run, mode, resumed: past !== undefined, atMs: chronicle.atMs() })
  return conduct({ graph, settings, options, events, chronicle, order, run })
}

interface Score {
  readonly graph: Graph<StepSpec>
  readonly settings: PlanSettings
  readonly options: RunOptions
  readonly events: Events<RecoveryEvents>
  readonly chronicle: Chronicle
  /** Who gets a free slot first. */
  readonly order: readonly string[]
  readonly run: string
}

function conduct(score: Score): Run {
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
  const late: Promise<void>[] = []
  const ended = new AbortController()
  let finish!: () => void
  const over = new Promise<void>((resolve) => {
    finish = resolve
  }).then(end)

  for (const tier of tiers()) void watchRto(tier)
  dispatch()
  return {
    over,
    aborted: stop.signal,
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
        if (options.mode === 'drill') late.push(stopOne(name))
      },
      unhealthy: () => unhealthyOf(name, signal),
    }
  }

  /** Asks a step and all it stands on, at the same time. */
  async function unhealthyOf(name: string, signal: AbortSignal): Promise<readonly string[]> {
    const names = [...graph.ancestors.get(name)!, name]
    const answers = await Promise.all(
      names.map((other) => isHealthy(stepRun(other, signal), values.get(other))),
    )
    return names.filter((_, at) => !answers[at])
  }

  function tiers(): readonly number[] {
    return [...new Set(graph.steps.map(({ tier }) => tier))]
  }

  function isTierReady(tier: number): boolean {
    return graph.steps.every((step) => step.tier !== tier || ready.has(step.name))
  }

  async function watchRto(tier: number): Promise<void> {
    await clock.sleep(rtoMs[tier]! - chronicle.atMs(), ended.signal)
    if (ended.signal.aborted || isTierReady(tier)) return
    events.emit('rtoExceeded', { tier, atMs: chronicle.atMs(), rtoMs: rtoMs[tier]! })
  }

  async function end(): Promise<void> {
    ended.abort('over')
    if (options.mode === 'drill') await stopAll()
    const outcome = outcomeOf()
    if (outcome) await chronicle.note({ type: 'ended', outcome })
    await chronicle.written()
    if (outcome) events.emit('ended', { report: reportOf(chronicle.records)! })
  }

  /** Undefined where it can be resumed. */
  function outcomeOf(): Outcome | undefined {
    if (stop.signal.aborted) return options.mode === 'drill' ? 'aborted' : undefined
    return ready.size === graph.steps.length ? 'recovered' : 'incomplete'
  }

  /** Dependents first. What is not known to be up may be so all the same, where a start was begun. */
  async function stopAll(): Promise<void> {
    for (const { name } of graph.steps.toReversed()) await stopOne(name)
    await Promise.all(late)
  }

  async function stopOne(name: string): Promise<void> {
    const own = stepRun(name, new AbortController().signal)
    const began = reportOf(chronicle.records)!.steps.find(({ step }) => step === name)!.starts > 0
    if (!began) return
    try {
      const value = values.has(name) ? values.get(name) : await ask(own)
      values.delete(name)
      if (value === undefined) return
      await stopStep(own, value)
      await chronicle.note({ type: 'stopped', step: name })
    } catch (error) {
      await chronicle.note({ type: 'stopped', step: name, error: errorRecord(error) })
    }
  }
}

function checkResumable(past: Report, { mode, folder }: RunOptions): void {
  const over = past.outcome !== undefined && (mode === 'drill' || past.outcome === 'recovered')
  if (past.mode !== mode || past.folder !== folder)
    throw recoveryError(
      'JOURNAL_OF_ANOTHER',
      `The journal is of the ${past.mode} ${past.run} in ${past.folder}: give this ${mode} in ${folder} a journal of its own`,
      { fields: { run: past.run, mode: past.mode, folder: past.folder } },
    )
  if (over)
    throw recoveryError(
      'JOURNAL_ENDED',
      `The ${mode} ${past.run} is over (${past.outcome}): give the next one a new journal`,
      { fields: { run: past.run, outcome: past.outcome } },
    )
}

function declaredPlan(
  graph: Graph<StepSpec>,
  { rtoMs, slots }: PlanSettings,
  { figures }: RunOptions,
): DeclaredPlan {
  const { tiers } = forecastOf(graph, rtoMs, slots, figures)
  return {
    steps: graph.steps.map(({ name, tier, needs }) => ({ name, tier, needs })),
    rtoMs,
    forecastMs: Object.fromEntries(tiers.map(({ tier, readyMs }) => [tier, Math.round(readyMs)])),
  }
}

/** Such as `20260131T120000Z-1f8a03`: sorts by time, and is safe in names of files, units and containers. */
function newRunName(declaredAt: number, random: () => number): string {
  const time = new Date(declaredAt).toISOString().replace(/[-:]|\.\d+/g, '')
  return `${time}-${Math.floor(random() * 2 ** 24)
    .toString(16)
    .padStart(6, '0')}`
}
