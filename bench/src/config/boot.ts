import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { memorySource, openConfig, storeSource } from '@holdfast/config'
import { openEtcdStore } from '@holdfast/etcd'
import type { Round } from '../harness.ts'
import { withEtcd } from '../support/etcd-process.ts'
import { documentOf, schema } from './document.ts'

const key = '/config/agent'
const bootTimeoutMs = 500

/** An etcd that was there is killed; then a process with a last-known-good boots. */
export async function bootWithEtcdDown({ folder }: Round): Promise<number> {
  const lastKnownGood = join(folder, 'state')
  const before = await openConfig({
    schema,
    sources: [memorySource(documentOf(1), { name: `store ${key}` })],
    lastKnownGood,
  })
  await before.close()
  const store = await withEtcd(folder, (endpoint) => openEtcdStore({ endpoints: [endpoint] }))
  const started = performance.now()
  const config = await openConfig({
    schema,
    sources: [storeSource(store, { key })],
    lastKnownGood,
    bootTimeoutMs,
  })
  const elapsedMs = performance.now() - started
  if (config.origin !== 'lkg') throw new Error(`it booted ${config.origin}`)
  await config.close()
  await store.close()
  return Math.max(0, elapsedMs - bootTimeoutMs)
}
