import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, memorySource, openConfig, type Source, storeSource } from '@holdfast/config'
import { type EtcdStore, openEtcdStore } from '@holdfast/etcd'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { describeEtcd, type Etcd, startEtcd } from '../support/etcd.ts'

const key = '/config/agent'
const schema = z.strictObject({ limit: z.int().min(1), site: z.string().default('here') })
type Settings = z.infer<typeof schema>

function openStore(etcd: Etcd): Promise<EtcdStore> {
  return openEtcdStore({ endpoints: [etcd.endpoint], requestTimeoutMs: 2_000, connect: 'later' })
}

async function put(store: EtcdStore, limit: number): Promise<void> {
  const value = new TextEncoder().encode(JSON.stringify({ limit }))
  await store.transact({ then: [{ kind: 'put', key, value }] })
}

/** A config on a key of etcd, with every value that ran. */
async function follow(store: EtcdStore, more: { state?: string; sources?: readonly Source[] } = {}) {
  const config = await openConfig({
    schema,
    sources: [...(more.sources ?? []), storeSource(store, { key }, { maxStaleMs: 500 })],
    settleMs: [0, 0],
    bootTimeoutMs: 400,
    ...(more.state ? { lastKnownGood: more.state } : {}),
  })
  const ran = [config.value.limit]
  config.on('applied', () => {
    ran.push(config.value.limit)
  })
  return { config, ran, [Symbol.asyncDispose]: () => config.close() }
}

function stateFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-config-etcd-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function runs(config: Config<Settings>, limit: number): Promise<void> {
  await expect.poll(() => config.value.limit, { timeout: 20_000, interval: 10 }).toBe(limit)
}

describeEtcd('a config on a real etcd', () => {
  test('takes a change, outlives kill -9, and makes good what a compaction hid', async () => {
    await using etcd = await startEtcd()
    await using store = await openStore(etcd)
    await using writer = await openStore(etcd)
    await put(writer, 1)
    await using agent = await follow(store)
    await put(writer, 2)
    await runs(agent.config, 2)
    await etcd.kill()
    await expect
      .poll(() => agent.config.stats?.()['config_unreachable_sources']?.value, { timeout: 20_000 })
      .toBe(1)
    expect(agent.config).toMatchObject({ value: { limit: 2 }, origin: 'live' })
    await etcd.restart()
    for (const limit of [3, 4, 5]) await put(writer, limit)
    await etcd.compact()
    await runs(agent.config, 5)
    expect(agent.config.stats?.()['config_unreachable_sources']?.value).toBe(0)
    expect(agent.ran.toSorted((a, b) => a - b)).toEqual(agent.ran) // nothing ran again that was over
  })

  test('follows etcd back when it is restored from a backup, and forward again', async () => {
    await using etcd = await startEtcd()
    await using store = await openStore(etcd)
    await using writer = await openStore(etcd)
    await put(writer, 1)
    const restore = await etcd.backUp()
    await using agent = await follow(store)
    for (const limit of [2, 3]) await put(writer, limit)
    await runs(agent.config, 3)
    const { revision: before } = await writer.range({ key })
    await restore()
    await runs(agent.config, 1)
    expect((await writer.range({ key })).revision).toBeLessThan(before)
    for (const limit of [7, 8]) await put(writer, limit)
    await runs(agent.config, 8)
  })

  test('keeps what it runs when etcd comes back empty, and says that the key is missing', async () => {
    await using etcd = await startEtcd()
    await using store = await openStore(etcd)
    await put(store, 4)
    await using agent = await follow(store)
    await etcd.wipe()
    await expect
      .poll(() => agent.config.status().attempt.error?.code, { timeout: 20_000 })
      .toBe('CONFIG_MISSING')
    expect(agent.config.value.limit).toBe(4)
    await put(store, 5)
    await runs(agent.config, 5)
  })

  test('boots on the last-known-good while etcd is down, and on nothing else without one', async () => {
    await using etcd = await startEtcd()
    const state = stateFolder()
    await using store = await openStore(etcd)
    await put(store, 6)
    await (await follow(store, { state })).config.close()
    await etcd.kill()
    await using cold = await openStore(etcd)
    await expect(follow(cold)).rejects.toMatchObject({ code: 'CONFIG_UNREACHABLE', retryable: true })
    await using agent = await follow(cold, { state })
    expect(agent.config).toMatchObject({ origin: 'lkg', value: { limit: 6 } })
    expect(agent.config.status().attempt).toMatchObject({ error: { code: 'CONFIG_UNREACHABLE' } })
    await etcd.restart()
    await expect.poll(() => agent.config.origin, { timeout: 20_000 }).toBe('live')
    expect(agent.config.revision).toBe(1) // the same content is no swap
    await put(store, 7)
    await runs(agent.config, 7)
  })

  test('goes without an optional etcd at boot, and takes it in when it comes', async () => {
    await using etcd = await startEtcd()
    await using store = await openStore(etcd)
    await put(store, 9)
    await etcd.kill()
    await using cold = await openStore(etcd)
    await using config = await openConfig({
      schema,
      sources: [
        memorySource({ limit: 1, site: 'reef' }),
        storeSource(cold, { key }, { optional: true, maxStaleMs: 500 }),
      ],
      settleMs: [0, 0],
      bootTimeoutMs: 500,
    })
    expect(config.value).toEqual({ limit: 1, site: 'reef' })
    expect(config.status().running.layers[1]).toMatchObject({ state: 'unreachable' })
    await etcd.restart()
    await runs(config, 9)
    expect(config.value.site).toBe('reef')
  })
})
