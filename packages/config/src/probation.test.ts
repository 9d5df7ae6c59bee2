import { describe, expect, test } from 'vitest'
import type { ProbationOptions } from './options.ts'
import { createPart, startBench, valid } from './testing/kit.ts'
import { createMemoryDisk, type MemoryDisk } from './testing/memory-disk.ts'

/** Healthy unless told otherwise. */
function createHealth(): ProbationOptions & { sick: boolean; checks: number } {
  const health = {
    sick: false,
    checks: 0,
    forMs: 10_000,
    everyMs: 2_000,
    async healthy() {
      health.checks += 1
      return !health.sick
    },
  }
  return health
}

async function provenBench(disk?: MemoryDisk) {
  const probation = createHealth()
  const lastKnownGood = disk && { folder: '/state', fileSystem: disk }
  const bench = await startBench({ probation, ...(lastKnownGood ? { lastKnownGood } : {}) })
  await bench.clock.advance(20_000)
  return { ...bench, probation }
}

function bootAgain(disk: MemoryDisk, limit: number) {
  return startBench({
    document: { ...valid, limit },
    probation: createHealth(),
    lastKnownGood: { folder: '/state', fileSystem: disk },
  })
}

describe('probation', () => {
  test('makes a config the last-known-good only once it has passed', async () => {
    const { config, source, settle, clock } = await provenBench()
    const before = config.hash
    source.set({ ...valid, limit: 20 })
    await settle()
    expect(config.status()).toMatchObject({
      running: { onProbation: true },
      lastKnownGood: { hash: before },
    })
    await clock.advance(11_000)
    expect(config.status()).toMatchObject({
      running: { onProbation: false },
      lastKnownGood: { hash: config.hash },
    })
    await config.close()
    expect(clock.sleepers).toBe(0)
  })

  test('rolls back to the last good config, not the first, and never hides what failed', async () => {
    const { config, source, settle, clock, log, probation } = await provenBench()
    source.set({ ...valid, limit: 20 })
    await clock.advance(20_000)
    const good = config.hash
    source.set({ ...valid, limit: 30 })
    await settle()
    const bad = config.hash
    probation.sick = true
    await clock.advance(6_000)
    expect(config.value.limit).toBe(20)
    expect(config.status()).toMatchObject({
      running: { hash: good, origin: 'lkg', onProbation: false },
      attempt: { state: 'rolled-back', hash: bad, error: { code: 'CONFIG_ROLLED_BACK' } },
    })
    expect(log).toEqual([
      'applied 2 live limit',
      'applied 3 live limit',
      'applied 4 lkg limit',
      'rolledBack CONFIG_ROLLED_BACK',
    ])
    await clock.advance(1_000_000)
    expect(log).toHaveLength(4)
    await config.close()
  })

  test('outlives a single failed check', async () => {
    const { config, source, settle, clock, log, probation } = await provenBench()
    source.set({ ...valid, limit: 20 })
    await settle()
    for (const sick of [true, true, false, true, true, false]) {
      probation.sick = sick
      await clock.advance(2_000)
    }
    expect(config.status().running.onProbation).toBe(false)
    expect(log).toEqual(['applied 2 live limit'])
    await config.close()
  })

  test('counts a check that throws or hangs as failed', async () => {
    for (const healthy of [
      () => Promise.reject(new Error('down')),
      () => new Promise<boolean>(() => undefined),
    ]) {
      let good = true
      const { config, source, clock } = await startBench({
        probation: {
          forMs: 1_000,
          everyMs: 100,
          failAfter: 2,
          healthy: () => (good ? Promise.resolve(true) : healthy()),
        },
      })
      await clock.advance(2_000)
      good = false
      source.set({ ...valid, limit: 20 })
      await clock.advance(2_000)
      expect(config.status().attempt.state).toBe('rolled-back')
      await config.close()
    }
  })

  test('ends when a newer config is applied; the fix need not wait', async () => {
    const { config, source, settle, clock, log, probation } = await provenBench()
    source.set({ ...valid, limit: 20 })
    await settle()
    probation.sick = true
    await clock.advance(3_000)
    source.set({ ...valid, limit: 30 })
    await settle()
    probation.sick = false
    await clock.advance(20_000)
    expect(config.value.limit).toBe(30)
    expect(log).toEqual(['applied 2 live limit', 'applied 3 live limit'])
    await config.close()
  })

  test('is not needed by what is proven already', async () => {
    const { config, source, settle } = await provenBench()
    source.set({ ...valid, limit: 20 })
    await settle()
    source.set(valid)
    await settle()
    expect(config.status().running).toMatchObject({ onProbation: false, origin: 'live' })
    await config.close()
  })

  test('leaves a first config that fails in place, since there is nothing to return to', async () => {
    const probation = createHealth()
    probation.sick = true
    const { config, clock, log } = await startBench({ probation })
    await clock.advance(30_000)
    expect(log).toEqual(['rejected CONFIG_ROLLED_BACK'])
    expect(config.value.limit).toBe(10)
    expect(config.status().lastKnownGood.hash).toBeUndefined()
    await config.close()
  })

  test('fails when a part cannot be made from it, and the part opens on the last-known-good', async () => {
    const disk = createMemoryDisk()
    await (await provenBench(disk)).config.close()
    const { config, log } = await bootAgain(disk, 30)
    const part = await config.derive({
      name: 'client',
      select: (value) => value.limit,
      open: async (limit) => {
        if (limit === 30) throw new Error('too many')
        return limit
      },
    })
    expect(part.current).toBe(10)
    expect(log).toEqual(['applied 2 lkg limit', 'rolledBack CONFIG_ROLLED_BACK'])
    await config.close()
  })
})

test('a config that is closed while a mark is written ends the parts that were opened for it', async () => {
  const story: string[] = []
  let closing: Promise<void> | undefined
  const disk: MemoryDisk = createMemoryDisk(new Map(), () => {
    const marking = disk.calls.at(-1) === 'rename /state/probation.tmp'
    if (marking && story.includes('open 20')) closing ??= bench.config.close()
  })
  const bench = await provenBench(disk)
  await bench.config.derive({
    name: 'part',
    select: (value) => value.limit,
    open: async (limit) => createPart(String(limit), story),
  })
  bench.source.set({ ...valid, limit: 20 })
  await bench.settle()
  await closing
  expect(story).toEqual(['open 10', 'open 20', 'end 20', 'end 10'])
  expect(bench.config.value.limit).toBe(10)
})

test('a config that was rolled back is not tried again after a restart either', async () => {
  const disk = createMemoryDisk()
  const { config, source, settle, clock, probation } = await provenBench(disk)
  source.set({ ...valid, limit: 20 })
  await settle()
  probation.sick = true
  await clock.advance(20_000)
  expect(config.value.limit).toBe(10)
  await config.close()
  const { config: next } = await bootAgain(disk, 20)
  expect(next.value.limit).toBe(10)
  expect(next.status().attempt.state).toBe('rolled-back')
  await next.close()
})

test('with reload: restart, a failed probation swaps nothing; the next boot takes the last-known-good', async () => {
  const disk = createMemoryDisk()
  await (await provenBench(disk)).config.close()
  const sick = { ...createHealth(), sick: true, healthy: async () => false }
  const options = { probation: sick, lastKnownGood: { folder: '/state', fileSystem: disk } }
  const { config, clock, log } = await startBench({
    ...options,
    document: { ...valid, limit: 30 },
    reload: 'restart',
  })
  await clock.advance(20_000)
  expect(config).toMatchObject({ value: { limit: 30 }, revision: 1 })
  expect(log).toEqual(['rejected CONFIG_ROLLED_BACK'])
  expect(config.status().attempt.error?.message).toContain('restart to run the last-known-good')
  await config.close()
  const { config: next } = await bootAgain(disk, 30)
  expect(next).toMatchObject({ value: { limit: 10 }, origin: 'lkg' })
  await next.close()
})

test('with reload: restart, a part that does not open on an unproven config swaps nothing either', async () => {
  const disk = createMemoryDisk()
  await (await provenBench(disk)).config.close()
  const { config } = await startBench({
    document: { ...valid, limit: 30 },
    reload: 'restart',
    probation: createHealth(),
    lastKnownGood: { folder: '/state', fileSystem: disk },
  })
  const deriving = config.derive({
    name: 'client',
    select: (value) => value.limit,
    open: (limit) => (limit === 30 ? Promise.reject(new Error('too many')) : Promise.resolve(limit)),
  })
  await expect(deriving).rejects.toMatchObject({ code: 'CONFIG_OPEN_FAILED' })
  expect(config.value.limit).toBe(30)
  await config.close()
  const { config: next } = await bootAgain(disk, 30)
  expect(next.value.limit).toBe(10)
  await next.close()
})

describe('a process that dies on probation', () => {
  test('boots on the last-known-good, reports rolled-back, and does not try again', async () => {
    const disk = createMemoryDisk()
    const { source, settle, config } = await provenBench(disk)
    source.set({ ...valid, limit: 20 })
    await settle()
    const killer = config.hash
    const remains = disk.afterPowerLoss()[0]!
    for (const boots of [1, 2]) {
      const { config: next, clock, log } = await bootAgain(remains, 20)
      expect(next.value.limit, `boot ${boots}`).toBe(10)
      expect(next.status()).toMatchObject({
        running: { origin: 'lkg' },
        attempt: { state: 'rolled-back', hash: killer, error: { code: 'CONFIG_ROLLED_BACK' } },
      })
      await clock.advance(1_000_000)
      expect(log).toEqual([])
      await next.close()
    }
    await config.close()
  })

  test('during the probation of what it booted on does not boot on it again', async () => {
    const disk = createMemoryDisk()
    await (await provenBench(disk)).config.close()
    const { config } = await bootAgain(disk, 30)
    expect(config.value.limit).toBe(30)
    const { config: next } = await bootAgain(disk.afterPowerLoss()[0]!, 30)
    expect(next.value.limit).toBe(10)
    await next.close()
  })

  test('takes a new config at the next boot', async () => {
    const disk = createMemoryDisk()
    const { source, settle } = await provenBench(disk)
    source.set({ ...valid, limit: 20 })
    await settle()
    const { config, clock } = await bootAgain(disk.afterPowerLoss()[0]!, 30)
    expect(config.value.limit).toBe(30)
    await clock.advance(20_000)
    expect(config.status().lastKnownGood.hash).toBe(config.hash)
    await config.close()
  })

  test('tries the same config again when refresh asks for it', async () => {
    const disk = createMemoryDisk()
    const { source, settle } = await provenBench(disk)
    source.set({ ...valid, limit: 20 })
    await settle()
    const { config } = await bootAgain(disk.afterPowerLoss()[0]!, 20)
    await config.refresh()
    expect(config.value.limit).toBe(20)
    await config.close()
  })

  test('with nothing to return to tries it again', async () => {
    const disk = createMemoryDisk()
    await bootAgain(disk, 20)
    const { config } = await bootAgain(disk.afterPowerLoss()[0]!, 20)
    expect(config.value.limit).toBe(20)
    await config.close()
  })

  test('is told from one that was closed on probation', async () => {
    const disk = createMemoryDisk()
    const { config, source, settle } = await provenBench(disk)
    source.set({ ...valid, limit: 20 })
    await settle()
    await config.close()
    const { config: next } = await bootAgain(disk, 20)
    expect(next.value.limit).toBe(20)
    expect(next.status().running.onProbation).toBe(true)
    await next.close()
  })

  test('after it went back to the good config by itself is no killer', async () => {
    const disk = createMemoryDisk()
    const { source, settle } = await provenBench(disk)
    source.set({ ...valid, limit: 20 })
    await settle()
    source.set(valid)
    await settle()
    const { config } = await bootAgain(disk.afterPowerLoss()[0]!, 20)
    expect(config.value.limit).toBe(20)
    await config.close()
  })
})
