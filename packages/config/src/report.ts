import type { Stat, Stats } from '@holdfast/core'
import type { Engine } from './engine.ts'
import { type Layers, statusOfLayer } from './layers.ts'
import type { Status } from './status.ts'

/** What a registration or a health page shows: no value of the config is in it. */
export function statusOf({ state, staged, good, keeper }: Engine): Status {
  const { config, ...running } = state.running
  const layers = config.layers.map(statusOfLayer)
  return {
    running: { ...running, hash: config.hash, layers },
    attempt: state.attempt,
    ...(staged ? { staged } : {}),
    lastKnownGood: { ...(good ? { hash: good.hash } : {}), ...(keeper.error ? { error: keeper.error } : {}) },
  }
}

export function statsOf({ state, counts, keeper }: Engine, { unreachable }: Layers): Stats {
  const { running, attempt } = state
  return {
    config_revision: gauge('Swaps of the config in this process, from 1', running.revision),
    config_from_last_known_good: gauge('1 while the last-known-good runs', Number(running.origin === 'lkg')),
    config_on_probation: gauge('1 while the config has to prove itself', Number(running.onProbation)),
    config_refused: gauge('1 while the sources say what does not run', Number(attempt.state !== 'applied')),
    config_unreachable_sources: gauge('Sources whose latest reading failed', unreachable),
    config_applied_total: counter('Configs applied, the first one included', counts.applied),
    config_rejected_total: counter('Configs refused before they ran', counts.rejected),
    config_rolled_back_total: counter('Configs that failed their probation', counts.rolledBack),
    config_save_failures_total: counter('Failed writes of the last-known-good', keeper.failures),
  }
}

function gauge(help: string, value: number): Stat {
  return { kind: 'gauge', help, value }
}

function counter(help: string, value: number): Stat {
  return { kind: 'counter', help, value }
}
