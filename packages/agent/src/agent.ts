import { checkFunction, createEvents } from '@holdfast/core'
import { agentError } from './errors.ts'
import type { AgentEvents } from './events.ts'
import { runUntilStopped } from './run.ts'
import { checkAgentOptions, checkUnit, type UnitSpec } from './settings.ts'
import { createSlot, statusOf } from './slot.ts'
import { countEvents } from './stats.ts'
import { type Supervisor, supervise } from './supervisor.ts'
import type { Agent, AgentOptions, RunningAgent, Supervised, UnitOptions, UnitStatus } from './types.ts'

type Start = (needs: object, signal: AbortSignal, agent: Supervised) => ReturnType<UnitSpec['start']>

/** An agent's builder as this file sees it: the types of the units are the compiler's affair alone. */
interface Builder extends Supervised {
  unit(name: string, needs: readonly string[], start: Start, options?: UnitOptions): Builder
  start: Agent<Record<string, never>>['start']
  run: Agent<Record<string, never>>['run']
}

/**
 * Describes an agent: add its units, then `run` it or `start` it.
 *
 * Inert until then: no timer, no listener on the process. Bad options throw a
 * `TypeError` or `RangeError` here and in `unit`, also those whose backoff is
 * so long that a crash loop would never exceed the intensity.
 */
export function createAgent(options: AgentOptions = {}): Agent<Record<never, never>> {
  const settings = checkAgentOptions(options)
  const specs = new Map<string, UnitSpec>()
  const events = createEvents<AgentEvents>()
  const statsOf = countEvents(events.on)
  let supervisor: Supervisor | undefined

  const builder: Builder = {
    on: events.on,
    heal,
    status,
    stats: () => statsOf(supervisor),
    unit(name, needs, startUnit, unitOptions = {}) {
      if (supervisor && !supervisor.isOver()) throw alreadyRunning(`unit '${name}' cannot be added`)
      checkFunction(`start of unit '${name}'`, startUnit)
      const bound: UnitSpec['start'] = (values, signal) => startUnit(values, signal, builder)
      specs.set(name, checkUnit({ name, needs, start: bound }, unitOptions, specs, settings))
      return builder
    },
    start,
    run: (runOptions = {}) => runUntilStopped(start, runOptions),
  }
  return builder as unknown as Agent<Record<never, never>>

  async function start(signal?: AbortSignal): Promise<RunningAgent> {
    signal?.throwIfAborted()
    if (supervisor && !supervisor.isOver()) throw alreadyRunning('close it before it is started again')
    const own = supervise([...specs.values()], settings, events)
    supervisor = own
    signal?.addEventListener('abort', own.stop, { once: true })
    const up = await own.booted
    signal?.removeEventListener('abort', own.stop)
    if (up) return runningAgent(own)
    const { failure, stopErrors } = await own.down
    if (failure !== undefined) throw failure
    throw stopErrors.length > 0 ? stopFailed(stopErrors) : signal?.reason
  }

  function runningAgent(own: Supervisor): RunningAgent {
    const exited = own.down.then((end) => {
      if ('failure' in end) throw end.failure
    })
    return { on: events.on, heal, status, stats: builder.stats, exited, close, [Symbol.asyncDispose]: close }

    async function close(): Promise<void> {
      own.stop()
      const { stopErrors } = await own.down
      if (stopErrors.length > 0) throw stopFailed(stopErrors)
    }
  }

  async function heal(unit: string, why: unknown): Promise<string | undefined> {
    if (!specs.has(unit)) throw new TypeError(`unit must be declared, got '${unit}'`)
    const slot = supervisor?.slots.get(unit)
    return slot && supervisor?.heal(slot, why)
  }

  function status(): Record<string, UnitStatus> {
    const slots = [...specs.values()].map((spec) => supervisor?.slots.get(spec.name) ?? createSlot(spec))
    return Object.fromEntries(slots.map((slot) => [slot.spec.name, statusOf(slot)]))
  }
}

function alreadyRunning(what: string): Error {
  return agentError('AGENT_ALREADY_RUNNING', `The agent is running; ${what}`)
}

function stopFailed(errors: readonly unknown[]): Error {
  const cause = new AggregateError(errors, `${errors.length} drains or closes failed`)
  return agentError('AGENT_STOP_FAILED', 'Everything was stopped, but not all of it well: see the cause', {
    cause,
  })
}
