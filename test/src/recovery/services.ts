import { appendFileSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Journal, planRecovery, type Report } from '@holdfast/recovery'

/** Services that outlive whoever starts them: a line in a file is one that is up. */
export function recoverServices(folder: string, journal: Journal): Promise<Report> {
  const service = (name: string, ms: number) => ({
    expectMs: ms,
    pollMs: 1,
    state: async ({ key }: { key: string }) => (lines(folder, 'started').includes(key) ? name : undefined),
    verify: async () => undefined,
    start: async ({ key }: { key: string }) => {
      appendFileSync(join(folder, 'started'), `${key}\n`)
      return name
    },
    healthy: async ({ key }: { key: string }) => lines(folder, 'started').includes(key),
    traffic: async () => appendFileSync(join(folder, 'opened'), `${name}\n`),
  })
  const plan = planRecovery({ rtoMs: { 1: 60_000, 2: 60_000 }, slots: 2 })
    .step('critical-db', { tier: 1, needs: [], ...service('critical-db', 20) })
    .step('mail', { tier: 2, needs: [], ...service('mail', 30) })
    .step('web', { tier: 2, needs: ['critical-db'], ...service('web', 10) })
  return plan.run({ mode: 'recovery', folder, journal })
}

export function lines(folder: string, file: 'started' | 'opened'): string[] {
  try {
    return readFileSync(join(folder, file), 'utf8').split('\n').slice(0, -1)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
