import { createAgent, startHealing } from '@holdfast/agent'
import { openConfig, type Source } from '@holdfast/config'
import type { CoordinationStore } from '@holdfast/coordination'
import type { Clock, Random } from '@holdfast/core'
import { startHealth } from '@holdfast/health'
import { openSession, register } from '@holdfast/lease'
import { z } from 'zod'
import type { Broker } from './broker.ts'
import { startWorker } from './worker.ts'

const schema = z.object({ broker: z.string() })

/** How soon trouble is noticed, and how long a cure may take to show. A service has seconds where this has milliseconds. */
const everyMs = 50
const cureMs = 250

export interface SelfHealingAgentOptions {
  store: CoordinationStore
  settings: Source
  broker: Broker
  /** One more with each start of the process. */
  incarnation: number
  clock: Clock
  /** Spreads the checks and the pauses. */
  random: Random
  /** Is told when the check turns. */
  onCheck: (status: string, why: unknown) => void
}

/** An agent that heals itself: its ladder stands with the unit, and a check climbs it. */
export function createSelfHealingAgent(options: SelfHealingAgentOptions) {
  const { clock, random, broker, incarnation } = options
  return createAgent({ clock, random, units: { healthyAfterMs: 2_000, backoff: { minMs: 50, maxMs: 500 } } })
    .unit('health', [], () => startHealth({ clock, random, eventLoop: false, drainDelayMs: 0 }))
    .unit('config', [], () => openConfig({ schema, sources: [options.settings], clock, random }))
    .unit('session', [], () => openSession(options.store, { ttlMs: 60_000, clock, random }))
    .unit('registration', ['session'], ({ session }) =>
      register(session, { service: 'edge', id: 'edge-1', incarnation }, { announced: 1 }),
    )
    .unit(
      'worker',
      ['config', 'registration'],
      ({ config, registration }) => startWorker({ config, broker, registrationKey: registration.key }),
      {
        heal: [
          { name: 'refresh config', apply: ({ needs, signal }) => needs.config.refresh({ signal }) },
          {
            name: 'register again',
            apply: ({ needs, signal }) =>
              needs.registration.update(({ announced }) => ({ announced: announced + 1 }), { signal }),
          },
          'restart',
          'escalate',
        ],
      },
    )
    .unit('check', ['health', 'worker'], ({ health, worker }) => {
      const timing = { intervalMs: everyMs, timeoutMs: everyMs, failAfter: 2 }
      const remove = health.add({ name: 'worker', ...timing, run: () => worker.ping() })
      const unsubscribe = health.on('changed', ({ status, error }) => options.onCheck(status, error))
      return {
        [Symbol.asyncDispose]: async () => {
          unsubscribe()
          remove()
        },
      }
    })
    .unit('healing', ['health'], ({ health }, _signal, { heal }) =>
      startHealing({ health, check: 'worker', heal: (why) => heal('worker', why), pauseMs: cureMs, clock }),
    )
}
