import type { Events } from '@holdfast/core'
import { createChronicle } from './chronicle.ts'
import { recoveryError } from './errors.ts'
import type { RecoveryEvents } from './events.ts'
import { arrange, type Forecast } from './forecast.ts'
import type { Graph } from './graph.ts'
import type { DeclaredPlan } from './journal/journal.ts'
import { type Report, reportOf } from './report.ts'
import { conduct, type Run } from './run.ts'
import type { PlanSettings, StepSpec } from './settings.ts'
import type { RunOptions } from './types.ts'

/** Begins a run, or goes on with the journal's. Rejects where that is not possible; nothing has been called then. */
export async function startRun(
  graph: Graph<StepSpec>,
  settings: PlanSettings,
  options: RunOptions,
  events: Events<RecoveryEvents>,
): Promise<Run> {
  const { clock, random, rtoMs } = settings
  const { journal, mode, folder, figures } = options
  const before = await journal.read()
  const past = reportOf(before)
  if (past) checkResumable(past, options)
  const declaredAt = past?.declaredAt ?? options.declaredAt ?? clock.wall()
  const chronicle = createChronicle({ journal, before, declaredAt, clock, events })
  const { order, forecast } = arrange(graph, settings, figures)
  const plan = declaredPlan(graph, rtoMs, forecast)
  const run = past?.run ?? newRunName(declaredAt, random)
  if (past) await chronicle.noteSurely({ type: 'resumed', plan })
  else await chronicle.noteSurely({ type: 'declared', run, mode, folder, declaredAt, plan })
  options.signal?.throwIfAborted()
  events.emit('began', { run, mode, resumed: past !== undefined, atMs: chronicle.atMs() })
  return conduct({ graph, settings, options, events, chronicle, order, run })
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
  { steps }: Graph,
  rtoMs: Readonly<Record<number, number>>,
  { tiers }: Forecast,
): DeclaredPlan {
  return {
    steps: steps.map(({ name, tier, needs }) => ({ name, tier, needs })),
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
