import { type Clock, type Events, withTimeout } from '@holdfast/core'
import { agentError } from './errors.ts'
import { type AgentEvents, rungName } from './events.ts'
import { climbed, rungToTry } from './ladder.ts'
import { outcomeOf } from './outcome.ts'
import type { Slot } from './slot.ts'
import type { Remedy, Rung } from './types.ts'

/** What the rungs of a ladder act on. */
export interface Healer {
  readonly clock: Clock
  readonly events: Events<AgentEvents>
  /** Resolves when the unit is up again; rejects when it is no longer to be. */
  restart(slot: Slot, why: unknown): Promise<void>
  escalate(error: unknown): void
}

/** One call of `heal`: joins the healing under way, or climbs from where the unit stands on its ladder. */
export function climb(slot: Slot, why: unknown, healer: Healer): Promise<string | undefined> {
  if (slot.healing) return slot.healing
  const healing = climbRungs(slot, why, healer).finally(() => {
    slot.healing = undefined
  })
  slot.healing = healing
  return healing
}

async function climbRungs(slot: Slot, why: unknown, healer: Healer): Promise<string | undefined> {
  const { heal: rungs, healthyAfterMs } = slot.spec
  const first = rungToTry(slot.ladder, healer.clock.now(), healthyAfterMs, rungs.length)
  for (const [at, rung] of rungs.entries()) {
    if (at < first) continue
    if (slot.phase !== 'up' || slot.goal !== 'up') return undefined
    const began = healer.clock.now()
    const outcome = await outcomeOf(() => apply(rung, slot, why, healer))
    slot.ladder = climbed(at, healer.clock.now())
    const durationMs = healer.clock.now() - began
    const failed = outcome.kind === 'failed' ? { error: outcome.error } : {}
    healer.events.emit('healed', { unit: slot.spec.name, rung: rungName(rung), why, durationMs, ...failed })
    if (outcome.kind === 'done') return rungName(rung)
  }
  return undefined
}

async function apply(rung: Rung, slot: Slot, why: unknown, healer: Healer): Promise<void> {
  if (rung === 'restart') await healer.restart(slot, why)
  else if (rung === 'escalate') healer.escalate(escalated(slot, why))
  else await applyRemedy(rung, slot, why, healer.clock)
}

async function applyRemedy(remedy: Remedy, slot: Slot, why: unknown, clock: Clock): Promise<void> {
  const { name: unit, healTimeoutMs: timeoutMs } = slot.spec
  const scope = new AbortController()
  slot.healScope = scope
  const context = { unit: slot.value!, needs: slot.needs, why }
  try {
    await withTimeout(async (signal) => remedy.apply({ ...context, signal }), {
      timeoutMs,
      signal: scope.signal,
      clock,
      onTimeout: () =>
        agentError(
          'UNIT_HEAL_TIMED_OUT',
          `'${remedy.name}' for unit '${unit}' took over ${timeoutMs} ms; the next rung follows`,
          { fields: { unit, rung: remedy.name, timeoutMs } },
        ),
    })
  } finally {
    slot.healScope = undefined
  }
}

function escalated({ spec }: Slot, cause: unknown): Error {
  return agentError(
    'AGENT_HEAL_ESCALATED',
    `Healing unit '${spec.name}' reached the rung 'escalate'; everything is stopped so that the process can be restarted`,
    { cause, fields: { unit: spec.name } },
  )
}
