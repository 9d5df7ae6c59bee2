import { type CoordinationStore, createMemoryStore } from '@holdfast/coordination'
import { withFaults } from '@holdfast/coordination/testing'
import { createFakeClock } from '@holdfast/core/testing'
import { describe, expect, test } from 'vitest'
import { openConfig } from '../config.ts'
import { hashOf } from '../document.ts'
import { logOf, schema, valid } from '../testing/kit.ts'
import { createMemoryDisk } from '../testing/memory-disk.ts'
import { rolloutSource, storeSource } from './store.ts'

const key = '/config/agent'

async function put(store: CoordinationStore, at: string, value: unknown): Promise<void> {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  await store.transact({ then: [{ kind: 'put', key: at, value: new TextEncoder().encode(text) }] })
}

async function startStoreBench(document: unknown = valid) {
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  await put(memory, key, document)
  const disk = createMemoryDisk()
  const open = (store: CoordinationStore) =>
    openConfig({
      schema,
      sources: [storeSource(store, { key })],
      clock,
      random: () => 0.5,
      lastKnownGood: { folder: '/state', fileSystem: disk },
    })
  return { clock, memory, disk, open }
}

describe('storeSource', () => {
  test('applies what is put', async () => {
    const { clock, memory, open } = await startStoreBench()
    const config = await open(memory)
    await put(memory, key, { ...valid, limit: 20 })
    await clock.advance(1_000)
    expect(config.value.limit).toBe(20)
    expect(config.status().running.layers[0]).toMatchObject({
      source: `store ${key}`,
      revision: '3',
    })
    await config.close()
    await memory.close()
    expect(clock.sleepers).toBe(0)
  })

  test('reads all keys below a prefix as of one revision', async () => {
    const { clock, memory } = await startStoreBench()
    await put(memory, '/p/upstream/url', '"http://p"')
    await put(memory, '/p/limit', '7')
    const config = await openConfig({ schema, sources: [storeSource(memory, { prefix: '/p/' })], clock })
    expect(config.value).toEqual({ upstream: { url: 'http://p' }, limit: 7 })
    const value = new TextEncoder().encode('8')
    await memory.transact({
      then: [
        { kind: 'put', key: '/p/limit', value },
        { kind: 'put', key: '/p/upstream/token', value: new TextEncoder().encode('"t"') },
      ],
    })
    await clock.advance(1_000)
    expect(config.value).toEqual({ upstream: { url: 'http://p', token: 't' }, limit: 8 })
    await config.close()
  })

  test('tells a missing key, an empty one and a broken one apart; none of them empties the config', async () => {
    const { clock, memory, open } = await startStoreBench()
    const config = await open(memory)
    const codes: unknown[] = []
    for (const change of [
      () => put(memory, key, ''),
      () => put(memory, key, '{"upstream":'),
      () => memory.transact({ then: [{ kind: 'delete', at: { key } }] }),
    ]) {
      await change()
      await clock.advance(1_000)
      codes.push(config.status().attempt.error?.code)
    }
    expect(codes).toEqual(['CONFIG_EMPTY', 'CONFIG_UNREADABLE', 'CONFIG_MISSING'])
    expect(config.value.upstream.url).toBe('http://a')
    await config.close()
  })

  test('boots on the last-known-good while the store is out, within bootTimeoutMs, and returns', async () => {
    const { clock, memory, open } = await startStoreBench({ ...valid, limit: 11 })
    await (await open(memory)).close()
    const faults = withFaults(memory, { clock })
    faults.partition()
    let config: Awaited<ReturnType<typeof open>> | undefined
    const opening = open(faults).then((opened) => {
      config = opened
    })
    await clock.advance(3_050)
    await opening
    expect(config).toMatchObject({ origin: 'lkg', value: { limit: 11 } })
    await put(memory, key, { ...valid, limit: 12 })
    faults.heal()
    await clock.advance(120_000)
    expect(config).toMatchObject({ origin: 'live', value: { limit: 12 } })
    await config?.close()
  })

  test('keeps the running config through a partition, a compaction and a rollback, and misses nothing', async () => {
    const { clock, memory, open } = await startStoreBench()
    const faults = withFaults(memory, { clock })
    const config = await open(faults)
    faults.partition()
    for (let limit = 11; limit <= 15; limit += 1) await put(memory, key, { ...valid, limit })
    await clock.advance(20_000)
    expect(config.value.limit).toBe(10)
    memory.compact()
    faults.heal()
    await clock.advance(120_000)
    expect(config.value.limit).toBe(15)
    const { revision } = await memory.range({ key })
    await put(memory, key, { ...valid, limit: 16 })
    await clock.advance(1_000)
    memory.rollback(revision)
    await clock.advance(120_000)
    expect(config.value.limit).toBe(15)
    memory.wipe()
    await clock.advance(120_000)
    expect(config.status().attempt.error?.code).toBe('CONFIG_MISSING')
    expect(config.value.limit).toBe(15)
    await config.close()
  })

  test('sees with refresh what was put just before', async () => {
    const { clock, memory, open } = await startStoreBench()
    const slow = withFaults(memory, { clock })
    const config = await open(slow)
    slow.delay({ minMs: 100, maxMs: 100 })
    await put(memory, key, { ...valid, limit: 20 })
    const refreshing = config.refresh()
    await clock.advance(300)
    await refreshing
    expect(config.value.limit).toBe(20)
    await config.close()
  })
})

describe('rolloutSource', () => {
  test('tries what is staged already at boot, with each new part, and beside an active version that is refused', async () => {
    const { clock, memory } = await startStoreBench()
    await put(memory, '/rollout/active', valid)
    await put(memory, '/rollout/staged', { upstream: { url: 'http://b' } })
    const config = await openConfig({ schema, sources: [rolloutSource(memory, '/rollout')], clock })
    const log = logOf(config)
    await clock.advance(1_000)
    await config.derive({
      name: 'client',
      select: (value) => value.upstream.url,
      open: (url) => (url === 'http://b' ? Promise.reject(new Error('refused')) : Promise.resolve(url)),
    })
    await clock.advance(1_000)
    expect(config.status().staged).toMatchObject({ state: 'rejected' })
    await put(memory, '/rollout/active', { limit: 0 })
    await put(memory, '/rollout/staged', { upstream: { url: 'http://c' } })
    await clock.advance(1_000)
    expect(log).toEqual(['staged true', 'staged false', 'rejected CONFIG_INVALID', 'staged true'])
    await config.close()
  })

  test('tries what is staged in all but the swap, and runs what is active', async () => {
    const { clock, memory } = await startStoreBench()
    await put(memory, '/rollout/active', valid)
    const config = await openConfig({ schema, sources: [rolloutSource(memory, '/rollout')], clock })
    const log = logOf(config)
    const opened: string[] = []
    await config.derive({
      name: 'client',
      select: (value) => value.upstream.url,
      open: async (url) => {
        if (url === 'http://refused') throw new Error('refused')
        opened.push(url)
        return { close: async () => opened.push(`end ${url}`) }
      },
    })
    await put(memory, '/rollout/staged', { upstream: { url: 'http://refused' } })
    await clock.advance(1_000)
    expect(config.status().staged).toMatchObject({ state: 'rejected', error: { code: 'CONFIG_OPEN_FAILED' } })
    await put(memory, '/rollout/staged', { upstream: { url: 'http://b' } })
    await clock.advance(1_000)
    const { staged } = config.status()
    expect(staged).toMatchObject({
      state: 'prepared',
      layers: [{ hash: hashOf({ upstream: { url: 'http://b' } }) }],
    })
    expect(config.value.upstream.url).toBe('http://a')
    await put(memory, '/rollout/active', { upstream: { url: 'http://b' } })
    await clock.advance(1_000)
    expect(config.hash).toBe(staged?.hash)
    expect(log).toEqual(['staged false', 'staged true', 'applied 2 live upstream.url'])
    expect(opened).toEqual(['http://a', 'http://b', 'end http://b', 'http://b', 'end http://a'])
    await config.close()
  })
})
