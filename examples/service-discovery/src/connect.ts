import { type CoordinationStore, createMemoryStore } from '@holdfast/coordination'
import type { Clock } from '@holdfast/core'
import { openEtcdStore } from '@holdfast/etcd'

/** A connection of one's own to the one store that all share, as each process of a real system has it. */
export type Connect = () => Promise<CoordinationStore>

/** Without an endpoint, a store in this process, whose leases expire by the clock. */
export function connectTo(clock: Clock, etcdEndpoints?: readonly string[]): Connect {
  if (etcdEndpoints) return () => openEtcdStore({ endpoints: etcdEndpoints, namespace: 'holdfast-example/' })
  const memory = createMemoryStore({ clock })
  return async () => memory.connect()
}

/** `--etcd` takes the etcd at ETCD_ENDPOINTS, or the one on this machine. */
export function etcdEndpoints(args: readonly string[]): readonly string[] | undefined {
  if (!args.includes('--etcd')) return undefined
  return (process.env['ETCD_ENDPOINTS'] ?? 'http://127.0.0.1:2379').split(',')
}
