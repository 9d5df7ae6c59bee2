import { join } from 'node:path'
import type { Clock } from '@holdfast/core'
import { planRecovery } from '@holdfast/recovery'

export type ServiceName = 'critical-db' | 'auth-service' | 'web-frontend'

/** Which service, for which step of which recovery, with its state in which folder. */
export interface Place {
  readonly name: ServiceName
  readonly key: string
  readonly folder: string
}

/** How services are run: as processes in `processes.ts`; yours may be systemd's or Kubernetes'. Every address is a URL. */
export interface Platform {
  /** The address of the one that was started under this key, if there is one. */
  find(place: Place): Promise<string | undefined>
  /** Starts one, which works on those at the other addresses. */
  start(place: Place, needs: readonly string[], signal: AbortSignal): Promise<string>
  healthy(address: string, signal: AbortSignal): Promise<boolean>
  openTraffic(address: string): Promise<void>
  stop(place: Place): Promise<void>
}

/** Where the database's last snapshot is. */
export interface Backup {
  /** Rejects where it is not what was stored. */
  verify(signal: AbortSignal): Promise<unknown>
  restore(folder: string, signal: AbortSignal): Promise<unknown>
}

export interface PlanOptions {
  readonly platform: Platform
  readonly backup: Backup
  readonly clock?: Clock
}

/** The plan of this example: a database from its last snapshot, then what stands on it. */
export function recoveryPlan({ platform, backup, ...options }: PlanOptions) {
  return planRecovery({
    rtoMs: { 1: 30_000, 2: 60_000, 3: 90_000 }, // in earnest 15 minutes, 1 hour, 8 hours
    steps: { attempts: 3, pollMs: 20, startTimeoutMs: 20_000, healthyTimeoutMs: 20_000 },
    ...options,
  })
    .step('critical-db', {
      tier: 1,
      needs: [],
      expectMs: 2_000,
      ...service('critical-db'),
      verify: ({ signal }) => backup.verify(signal),
      start: async ({ key, folder, signal }) => {
        await backup.restore(join(folder, 'critical-db'), signal)
        return platform.start({ name: 'critical-db', key, folder }, [], signal)
      },
    })
    .step('auth-service', {
      tier: 2,
      needs: ['critical-db'],
      expectMs: 1_000,
      ...service('auth-service'),
      start: ({ key, folder, needs, signal }) =>
        platform.start({ name: 'auth-service', key, folder }, [needs['critical-db']], signal),
    })
    .step('web-frontend', {
      tier: 3,
      needs: ['auth-service', 'critical-db'],
      expectMs: 1_000,
      ...service('web-frontend'),
      start: ({ key, folder, needs, signal }) =>
        platform.start(
          { name: 'web-frontend', key, folder },
          [needs['auth-service'], needs['critical-db']],
          signal,
        ),
    })

  function service(name: ServiceName) {
    interface Context {
      readonly key: string
      readonly folder: string
      readonly signal: AbortSignal
    }
    return {
      state: ({ key, folder }: Context) => platform.find({ name, key, folder }),
      healthy: ({ value, signal }: Context & { value: string }) => platform.healthy(value, signal),
      traffic: ({ value }: { value: string }) => platform.openTraffic(value),
      stop: ({ key, folder }: Context) => platform.stop({ name, key, folder }),
    }
  }
}
