import type { Stats } from '@holdfast/core'
import { type CheckReport, gates, type Status } from '../check.ts'
import type { Health } from '../health.ts'
import type { Sample } from './exposition.ts'
import type { SourceFigures } from './sources.ts'

/** Everything worth scraping. */
export function gatherSamples(
  health: Pick<Health, 'probe' | 'reports' | 'stats'>,
  figures: readonly SourceFigures[],
): Sample[] {
  return [
    ...gateSamples(health),
    ...health.reports().flatMap(checkSamples),
    ...flatten(health.stats?.() ?? {}),
    ...figures.flatMap(({ source, stats }) => flatten(stats, { source })),
  ]
}

function gateSamples(health: Pick<Health, 'probe'>): Sample[] {
  const help = 'Whether the gate is open: 1 or 0'
  return gates.map((gate) => ({
    name: 'health_gate_open',
    kind: 'gauge',
    help,
    labels: { gate },
    value: Number(health.probe(gate).ok),
  }))
}

const passing: readonly Status[] = ['pass', 'warn']

function checkSamples(report: CheckReport): Sample[] {
  const labels = { check: report.name }
  const gauge = (name: string, help: string, value: number | undefined): Sample[] =>
    value === undefined ? [] : [{ name: `health_check_${name}`, kind: 'gauge', help, labels, value }]
  return [
    ...gauge(
      'passing',
      'Whether the check passes, with or without a warning: 1 or 0',
      Number(passing.includes(report.status)),
    ),
    ...gauge('consecutive_failures', 'Failures in a row', report.failures),
    ...gauge('age_ms', 'Time since a run last answered', report.ageMs),
    ...gauge('duration_ms', 'How long that run took', report.durationMs),
  ]
}

function flatten(stats: Stats, labels: Readonly<Record<string, string>> = {}): Sample[] {
  return Object.entries(stats).map(([name, stat]) => ({ ...stat, name, labels }))
}
