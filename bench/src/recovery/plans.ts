import type { Random } from '@holdfast/core'
import { type Plan, type PlanOptions, planRecovery } from '@holdfast/recovery'

export interface Shape {
  readonly name: string
  readonly tier: number
  readonly needs: readonly string[]
  readonly ms: number
}

/** What a shape's service does; all it is about is how long it takes. */
export interface Service {
  state(key: string): Promise<true | undefined>
  start(shape: Shape, key: string): Promise<true>
  stop?(shape: Shape, key: string): Promise<void>
}

/** So many steps in so many tiers, none of which needs one of a higher tier. */
export function drawShapes(random: Random, count: number, tiers: number, longestMs: number): Shape[] {
  const density = random() * 0.6
  const shapes: Shape[] = []
  for (let at = 0; at < count; at += 1) {
    const tier = 1 + Math.floor((at / count) * tiers)
    const needs = shapes.filter(() => random() < density).map(({ name }) => name)
    shapes.push({ name: `s${at}`, tier, needs, ms: Math.ceil(random() * longestMs) })
  }
  return shapes
}

/** The compiler checks names that stand in the code; these are made. */
type DeclareStep = (name: string, step: object) => unknown

export function planOf(
  shapes: readonly Shape[],
  service: Service,
  options: Partial<PlanOptions<Record<number, number>>> = {},
): Plan<Record<string, unknown>, number> {
  const rtoMs = Object.fromEntries(shapes.map(({ tier }) => [tier, 1e9]))
  const plan = planRecovery({ rtoMs, ...options, steps: { pollMs: 5, ...options.steps } })
  const declare = plan.step as unknown as DeclareStep
  for (const shape of shapes)
    declare(shape.name, {
      ...{ tier: shape.tier, needs: shape.needs, expectMs: shape.ms },
      state: ({ key }: { key: string }) => service.state(key),
      start: ({ key }: { key: string }) => service.start(shape, key),
      healthy: async () => true,
      stop: ({ key }: { key: string }) => service.stop?.(shape, key),
    })
  return plan as unknown as Plan<Record<string, unknown>, number>
}
