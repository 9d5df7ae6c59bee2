import { tiersOf } from './graph.ts'
import type { DeclaredPlan, ErrorRecord, JournalRecord, Outcome } from './journal/journal.ts'
import type { Figures, Mode, Phase } from './types.ts'

export interface ReportStep {
  readonly step: string
  readonly tier: number
  readonly state: 'pending' | 'working' | 'ready' | 'failed' | 'skipped'
  /** How often `start` was called. */
  readonly starts: number
  /** It had been started before it was asked: by an earlier process of this run, or because it had survived. */
  readonly found: boolean
  /** When it got its slot, in milliseconds since the declaration. */
  readonly beganMs?: number
  readonly verifyMs?: number
  readonly startMs?: number
  readonly healthyMs?: number
  readonly trafficMs?: number
  /** When it was ready, in milliseconds since the declaration. */
  readonly readyMs?: number
  readonly error?: ErrorRecord & { readonly phase: Phase }
  /** For want of which step it was skipped. */
  readonly because?: string
}

export interface ReportTier {
  readonly tier: number
  readonly rtoMs: number
  /** When it was expected to be ready, as the run began, in milliseconds since the declaration. */
  readonly forecastMs: number
  /** When the last of its steps was ready, in milliseconds since the declaration. */
  readonly readyMs?: number
  /** `missed`: ready too late, or not ready when the RTO had passed. `failed`: one of its steps failed or was skipped. */
  readonly verdict: 'met' | 'missed' | 'failed' | 'pending'
}

/** What came of a run, as plain data: `JSON.stringify` it, or `formatReport` it for people. */
export interface Report {
  readonly run: string
  readonly mode: Mode
  readonly folder: string
  /** Wall-clock milliseconds. */
  readonly declaredAt: number
  /** Absent while it is under way, or where it was cut off. */
  readonly outcome?: Outcome
  /** How often it was resumed. */
  readonly resumed: number
  /** Of the last thing that happened, in milliseconds since the declaration. */
  readonly atMs: number
  readonly tiers: readonly ReportTier[]
  /** In the order of declaration. */
  readonly steps: readonly ReportStep[]
  /** What was measured, for the next forecast. */
  readonly figures: Figures
}

type Draft<T> = { -readonly [K in keyof T]: T[K] }

/** Reads the report out of a journal's records, of a run under way or cut off too; undefined where there are none. */
export function reportOf(records: readonly JournalRecord[]): Report | undefined {
  const [first] = records
  if (first?.type !== 'declared') return undefined
  const { run, mode, folder, declaredAt } = first
  let plan: DeclaredPlan = { ...first.plan, forecastMs: {} }
  let steps = new Map<string, Draft<ReportStep>>()
  let outcome: Outcome | undefined
  let resumed = 0
  const figures: Record<string, number> = {}
  for (const record of records) {
    if (record.type === 'declared' || record.type === 'resumed') {
      plan = withForecast(record.plan, record.atMs, plan)
      steps = withPlan(plan, steps)
      outcome = undefined
      resumed += record.type === 'resumed' ? 1 : 0
    } else if (record.type === 'ended') {
      outcome = record.outcome
    } else {
      const step = steps.get(record.step)
      if (step) applyRecord(step, record)
      if (record.type === 'ready' && record.durationMs !== undefined) figures[record.step] = record.durationMs
    }
  }
  const atMs = records.at(-1)!.atMs
  const list = [...steps.values()]
  return {
    ...{ run, mode, folder, declaredAt, ...(outcome && { outcome }), resumed, atMs },
    tiers: reportTiers(plan, list, atMs),
    steps: list,
    figures,
  }
}

/** The plan that counts now. A tier's first forecast stays, counted from the declaration as its RTO is. */
function withForecast(plan: DeclaredPlan, beginMs: number, { forecastMs }: DeclaredPlan): DeclaredPlan {
  const own = Object.entries(plan.forecastMs).map(([tier, ms]) => [tier, beginMs + ms])
  return { ...plan, forecastMs: { ...Object.fromEntries(own), ...forecastMs } }
}

/** The steps of this plan, with what is known of them; what had failed or was skipped is pending again. */
function withPlan(
  plan: DeclaredPlan,
  known: ReadonlyMap<string, Draft<ReportStep>>,
): Map<string, Draft<ReportStep>> {
  return new Map(
    plan.steps.map(({ name, tier }) => {
      const step = known.get(name) ?? { step: name, tier, state: 'pending', starts: 0, found: false }
      const { error: _, because: __, ...kept } = step
      return [name, { ...kept, tier, state: step.state === 'ready' ? 'ready' : 'pending' }]
    }),
  )
}

type StepRecord = Extract<JournalRecord, { readonly step: string }>

function applyRecord(step: Draft<ReportStep>, record: StepRecord): void {
  switch (record.type) {
    case 'began':
      step.state = 'working'
      step.beganMs = record.atMs
      step.found = false
      for (const figure of ['verifyMs', 'startMs', 'healthyMs', 'trafficMs', 'readyMs'] as const)
        delete step[figure]
      return
    case 'found':
      step.found = true
      return
    case 'verified':
      step.verifyMs = record.durationMs
      return
    case 'starting':
      step.starts += 1
      return
    case 'started':
      step.startMs = record.durationMs
      return
    case 'healthy':
      step.healthyMs = record.durationMs
      return
    case 'ready':
      step.state = 'ready'
      step.readyMs = record.atMs
      if (record.trafficMs !== undefined) step.trafficMs = record.trafficMs
      return
    case 'failed':
      step.state = 'failed'
      step.error = { phase: record.phase, ...record.error }
      delete step.readyMs
      return
    case 'skipped':
      step.state = 'skipped'
      step.because = record.because
      return
    case 'stopped':
      return
  }
}

function reportTiers(
  { steps: plan, rtoMs, forecastMs }: DeclaredPlan,
  steps: readonly ReportStep[],
  atMs: number,
): readonly ReportTier[] {
  return tiersOf({ steps: plan }).map((tier) => {
    const own = steps.filter((step) => step.tier === tier)
    const ready = own.every(({ state }) => state === 'ready')
    const readyMs = Math.max(...own.map((step) => step.readyMs ?? 0))
    const known = { tier, rtoMs: rtoMs[tier]!, forecastMs: forecastMs[tier]! }
    if (ready) return { ...known, readyMs, verdict: readyMs <= known.rtoMs ? 'met' : 'missed' }
    const failed = own.some(({ state }) => state === 'failed' || state === 'skipped')
    return { ...known, verdict: failed ? 'failed' : atMs > known.rtoMs ? 'missed' : 'pending' }
  })
}
