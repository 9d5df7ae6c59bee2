import type { On, Stats } from '@holdfast/core'
import type { AgentEvents } from './events.ts'
import type { Supervisor } from './supervisor.ts'

/** Counts an agent's events for as long as the agent exists, over all its runs. */
export function countEvents(on: On<AgentEvents>): (supervisor: Supervisor | undefined) => Stats {
  const counts = { started: 0, startFailed: 0, exited: 0, restartPlanned: 0, abandoned: 0, healed: 0 }
  for (const event of Object.keys(counts) as (keyof typeof counts)[])
    on(event, () => {
      counts[event] += 1
    })
  return (supervisor) => {
    const slots = [...(supervisor?.slots.values() ?? [])]
    return {
      agent_units_up: gauge('Units that are up', slots.filter(({ phase }) => phase === 'up').length),
      agent_units: gauge('Units that are declared', slots.length),
      agent_window_restarts: gauge(
        'Restarts within the intensity window now',
        supervisor?.restartsInWindow() ?? 0,
      ),
      agent_unit_starts_total: counter('Units that came up', counts.started),
      agent_unit_start_failures_total: counter('Starts that failed', counts.startFailed),
      agent_unit_exits_total: counter('Units that ended by themselves', counts.exited),
      agent_restarts_total: counter('Restarts, each of a unit and all that needs it', counts.restartPlanned),
      agent_abandoned_total: counter('Starts, drains and closes left behind', counts.abandoned),
      agent_heals_total: counter('Rungs of healing ladders tried', counts.healed),
    }
  }
}

function gauge(help: string, value: number): Stats[string] {
  return { kind: 'gauge', help, value }
}

function counter(help: string, value: number): Stats[string] {
  return { kind: 'counter', help, value }
}
