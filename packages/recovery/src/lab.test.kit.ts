import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { createMemoryJournal } from './journal/memory.ts'
import { planRecovery } from './plan.ts'
import type { AnyStep } from './settings.ts'
import type { Plan, PlanOptions, RunOptions, StepContext } from './types.ts'

/** How a service of the lab behaves; times in milliseconds. */
export interface Behaviour extends Partial<Pick<AnyStep, 'tier' | 'needs' | 'expectMs'>> {
  verifyMs?: number
  startMs?: number
  /** After its start. */
  healthyAfterMs?: number
  trafficMs?: number
  /** Called instead of the lab's own; `up` is what the lab's start does. */
  verify?: (context: StepContext) => Promise<unknown>
  start?: (context: StepContext, up: () => string) => Promise<unknown>
  healthy?: (name: string) => boolean
  traffic?: (context: StepContext) => Promise<unknown>
  /** Replaces anything else. */
  own?: Partial<AnyStep>
}

/** Services that do as told, and leave a trace such as `0 db start`. What is up stays up when a run ends. */
export interface Lab {
  readonly clock: FakeClock
  readonly trace: string[]
  /** What is up, with the key that it was started under. */
  readonly up: Map<string, { key: string; sinceMs: number }>
  plan(services: Record<string, Behaviour>, options?: Partial<PlanOptions<Record<number, number>>>): LabPlan
  /** Run options with a journal of their own. */
  options(options?: Partial<RunOptions>): RunOptions
  /** Takes the trace so far. */
  read(): string[]
}

type LabPlan = Plan<Record<string, unknown>, number>

export function createLab(seed = 1): Lab {
  const clock = createFakeClock()
  const random = createSeededRandom(seed)
  const trace: string[] = []
  const up: Lab['up'] = new Map()
  return {
    clock,
    trace,
    up,
    plan(services, options) {
      const rtoMs = { 1: 1_000, 2: 10_000, 3: 100_000 }
      const plan = planRecovery({ rtoMs, clock, random, ...options })
      // The compiler cannot know names that a test makes.
      const declare = plan.step as unknown as (name: string, step: AnyStep) => void
      for (const [name, behaviour] of Object.entries(services)) declare(name, service(name, behaviour))
      return plan as unknown as LabPlan
    },
    options: (options) => ({
      ...{ mode: 'recovery', folder: '/state', journal: createMemoryJournal() },
      ...options,
    }),
    read: () => trace.splice(0),
  }

  function service(name: string, behaviour: Behaviour): AnyStep {
    const { tier = 1, needs = [], verifyMs = 0, startMs = 100, healthyAfterMs = 0, trafficMs = 0 } = behaviour
    const note = (what: string): void => void trace.push(`${clock.now()} ${name} ${what}`)
    return {
      ...{ tier, needs, expectMs: behaviour.expectMs ?? verifyMs + startMs + healthyAfterMs },
      ...{ pollMs: 10, checkTimeoutMs: 50, healthyTimeoutMs: 1_000, graceMs: 50 },
      state: async ({ key }) => (up.get(name)?.key === key ? `${name}:found` : undefined),
      verify: async (context) => {
        note('verify')
        await (behaviour.verify?.(context) ?? clock.sleep(verifyMs))
      },
      start: async (context) => {
        note('start')
        const comeUp = (): string => {
          up.set(name, { key: context.key, sinceMs: clock.now() })
          return name
        }
        if (behaviour.start) return behaviour.start(context, comeUp)
        await clock.sleep(startMs)
        return comeUp()
      },
      healthy: async () => {
        const service = up.get(name)
        if (!service) throw new Error(`${name} is not up`)
        return behaviour.healthy?.(name) ?? clock.now() >= service.sinceMs + healthyAfterMs
      },
      traffic: async (context) => {
        note('traffic')
        await (behaviour.traffic?.(context) ?? clock.sleep(trafficMs))
      },
      stop: async ({ value }) => {
        note(`stop ${value}`)
        up.delete(name)
      },
      ...behaviour.own,
    }
  }
}
