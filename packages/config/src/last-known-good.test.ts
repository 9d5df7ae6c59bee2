import { createFakeClock } from '@holdfast/core/testing'
import { describe, expect, test } from 'vitest'
import { openConfig } from './config.ts'
import { encodeRecord, type GoodRecord } from './record.ts'
import { memorySource } from './sources/memory.ts'
import { logOf, schema, startBench, valid } from './testing/kit.ts'
import { createMemoryDisk, type MemoryDisk } from './testing/memory-disk.ts'

const folder = '/state'

/** Opens on a source that is out, so that only the last-known-good can help. */
async function bootWithoutSources(disk: MemoryDisk, schemaId = 'agent/1') {
  const clock = createFakeClock()
  const source = memorySource(valid)
  source.fail(new Error('down'))
  const opening = openConfig({
    schema,
    sources: [source],
    clock,
    bootTimeoutMs: 1_000,
    lastKnownGood: { folder, schemaId, fileSystem: disk },
  }).catch((error: unknown) => error as Error)
  await clock.advance(1_100)
  const opened = await opening
  if (opened instanceof Error) throw opened
  return { config: opened, clock, source, log: logOf(opened) }
}

async function diskWith(limits: readonly number[], schemaId = 'agent/1'): Promise<MemoryDisk> {
  const disk = createMemoryDisk()
  const { config, source, settle } = await startBench({
    document: { ...valid, limit: limits[0] },
    lastKnownGood: { folder, schemaId, fileSystem: disk },
  })
  for (const limit of limits.slice(1)) {
    source.set({ ...valid, limit })
    await settle()
  }
  await config.close()
  return disk
}

describe('the last-known-good', () => {
  test('boots a process whose sources are out, and says so', async () => {
    const disk = await diskWith([11, 12])
    const { config } = await bootWithoutSources(disk)
    expect(config.value.limit).toBe(12)
    expect(config.origin).toBe('lkg')
    expect(config.status()).toMatchObject({
      running: { origin: 'lkg', onProbation: false },
      attempt: { state: 'rejected', error: { code: 'CONFIG_UNREACHABLE' } },
    })
    await config.close()
  })

  test('gives way to the sources when they come back, without a swap where they say the same', async () => {
    const disk = await diskWith([11])
    const { config, source, clock, log } = await bootWithoutSources(disk)
    source.set({ ...valid, limit: 11 })
    await clock.advance(60_000)
    expect(config.origin).toBe('live')
    expect(config.revision).toBe(1)
    source.set({ ...valid, limit: 12 })
    await clock.advance(1_000)
    expect(log).toEqual(['sourceRecovered memory', 'applied 2 live limit'])
    await config.close()
  })

  test('boots a process whose first config is invalid, and keeps the reason', async () => {
    const disk = await diskWith([11])
    const { config, log, settle } = await startBench({
      document: { ...valid, limit: 0 },
      lastKnownGood: { folder, schemaId: 'agent/1', fileSystem: disk },
    })
    expect(config.value.limit).toBe(11)
    expect(config.status()).toMatchObject({
      running: { origin: 'lkg' },
      attempt: { state: 'rejected', error: { code: 'CONFIG_INVALID' } },
    })
    await settle()
    expect(log).toEqual([])
    await config.close()
  })

  test('is the last good one, not the first', async () => {
    const disk = await diskWith([11, 12, 0, 13])
    const { config } = await bootWithoutSources(disk)
    expect(config.value.limit).toBe(13)
    await config.close()
  })

  test('falls back on the older generation when the newer is torn', async () => {
    const disk = await diskWith([11, 12])
    disk.put('/state/last-known-good.0', disk.files.get('/state/last-known-good.0')!.slice(0, -20))
    const { config } = await bootWithoutSources(disk)
    expect(config.value.limit).toBe(11)
    expect(config.status().lastKnownGood.error?.message).toContain('checksum')
    await config.close()
  })

  test('never boots on a flipped byte, wherever it is', async () => {
    const disk = await diskWith([11])
    const path = '/state/last-known-good.1'
    const text = disk.files.get(path)!
    for (let at = 0; at < text.length; at += 1) {
      const flipped = text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ 1) + text.slice(at + 1)
      const spoilt = createMemoryDisk(new Map([[path, flipped]]))
      await expect(bootWithoutSources(spoilt)).rejects.toMatchObject({ code: 'CONFIG_UNREACHABLE' })
    }
  })

  test('of another schema is not used', async () => {
    const disk = await diskWith([11], 'agent/2')
    await expect(bootWithoutSources(disk, 'agent/1')).rejects.toThrow('was written by the schema agent/2')
  })

  test('that the schema of this release refuses is not used, but the generation before it may be', async () => {
    const disk = await diskWith([11, 12])
    const record: GoodRecord = {
      format: 1,
      kind: 'last-known-good',
      schemaId: 'agent/1',
      generation: 9,
      savedAt: 0,
      hash: 'x',
      layers: [
        { source: 'memory', state: 'present', revision: '1', hash: 'x', document: { ...valid, limit: 0 } },
      ],
    }
    disk.put('/state/last-known-good.0', encodeRecord(record))
    const { config } = await bootWithoutSources(disk)
    expect(config.value.limit).toBe(11)
    await config.close()
  })

  test('survives a power loss at every step of every write', async () => {
    const survivors: { limit: number; disk: MemoryDisk }[] = []
    let writing = 0
    const disk = createMemoryDisk(new Map(), (found) => {
      for (const survivor of found.afterPowerLoss()) survivors.push({ limit: writing, disk: survivor })
    })
    const { config, source, settle } = await startBench({
      document: { ...valid, limit: 1 },
      lastKnownGood: { folder, fileSystem: disk },
    })
    survivors.length = 0
    for (writing = 2; writing <= 6; writing += 1) {
      source.set({ ...valid, limit: writing })
      await settle()
    }
    await config.close()
    expect(survivors.length).toBeGreaterThanOrEqual(60)
    for (const survivor of survivors) {
      const limit = await limitOf(survivor.disk)
      expect([survivor.limit - 1, survivor.limit]).toContain(limit)
    }
  })

  async function limitOf(disk: MemoryDisk): Promise<number> {
    const { config } = await bootWithoutSources(disk, 'default')
    const { limit } = config.value
    await config.close()
    return limit
  }

  test.each(['ENOSPC', 'EROFS'])(
    'that cannot be written (%s) does not stop a config from being applied',
    async (code) => {
      const disk = createMemoryDisk()
      const { config, source, settle, log } = await startBench({
        lastKnownGood: { folder, fileSystem: disk },
      })
      disk.failFrom(0, Object.assign(new Error(code), { code }))
      source.set({ ...valid, limit: 20 })
      await settle()
      expect(config.value.limit).toBe(20)
      expect(log).toEqual(['applied 2 live limit', 'saveFailed CONFIG_SAVE_FAILED'])
      expect(config.status().lastKnownGood.error).toMatchObject({ code: 'CONFIG_SAVE_FAILED' })
      disk.heal()
      source.set({ ...valid, limit: 21 })
      await settle()
      expect(config.status().lastKnownGood.error).toBeUndefined()
      await config.close()
    },
  )

  test('that the disk would not take is written with a later reading of the sources, and leaves a mark alone', async () => {
    const disk = createMemoryDisk()
    const { config, source, settle, clock, log } = await startBench({
      lastKnownGood: { folder, fileSystem: disk },
      resyncMs: 60_000,
    })
    disk.failFrom(0, new Error('ENOSPC'))
    source.set({ ...valid, limit: 20 })
    await settle()
    await clock.advance(60_000)
    disk.heal()
    await clock.advance(60_000)
    expect(log.filter((line) => line.startsWith('saveFailed'))).toHaveLength(2)
    expect(config.status().lastKnownGood.error).toBeUndefined()
    const calls = disk.calls.length
    await clock.advance(600_000)
    expect(disk.calls).toHaveLength(calls)
    await config.close()
    expect(await limitOf(disk)).toBe(20)
  })

  test('that is written late leaves the mark of what failed since', async () => {
    const disk = createMemoryDisk()
    let sick = false
    const { config, source, clock } = await startBench({
      lastKnownGood: { folder, fileSystem: disk },
      probation: { forMs: 1_000, failAfter: 1, healthy: async () => !sick },
    })
    disk.failFrom(0, new Error('ENOSPC'))
    await clock.advance(2_000) // proven, but not on the disk
    disk.heal()
    sick = true
    source.set({ ...valid, limit: 20 })
    await clock.advance(5_000)
    expect(config.value.limit).toBe(10)
    await clock.advance(400_000)
    expect(config.status().lastKnownGood.error).toBeUndefined()
    expect(disk.files.get('/state/probation')).toContain('"failed"')
    await config.close()
  })

  test('in a folder that cannot even be made does not stop the boot', async () => {
    const disk = createMemoryDisk()
    disk.failFrom(0, new Error('EROFS'))
    const { config } = await startBench({ lastKnownGood: { folder, fileSystem: disk } })
    expect(config.origin).toBe('live')
    expect(config.status().lastKnownGood.error).toMatchObject({ code: 'CONFIG_SAVE_FAILED' })
    await config.close()
  })
})
