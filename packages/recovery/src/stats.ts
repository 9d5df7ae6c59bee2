import type { Stats } from '@holdfast/core'
import type { Run } from './run.ts'

export function statsOf(run: Run): Stats {
  const { steps, tiers, atMs } = run.report()
  const count = (state: (typeof steps)[number]['state']): number =>
    steps.filter((step) => step.state === state).length
  return {
    recovery_steps: gauge('Steps of the plan', steps.length),
    recovery_steps_ready: gauge('Steps that are ready', count('ready')),
    recovery_steps_working: gauge('Steps that have a slot', run.working()),
    recovery_steps_failed: gauge('Steps that failed', count('failed')),
    recovery_steps_skipped: gauge('Steps skipped because one that they need failed', count('skipped')),
    recovery_tiers_missed: gauge(
      'Tiers that missed their RTO',
      tiers.filter(({ verdict }) => verdict === 'missed').length,
    ),
    recovery_elapsed_ms: gauge('From the declaration to the last record, in milliseconds', atMs),
  }
}

function gauge(help: string, value: number): Stats[string] {
  return { kind: 'gauge', help, value }
}
