import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memorySource, openConfig } from '@holdfast/config'
import { afterAll, expect, test } from 'vitest'
import { z } from 'zod'

// A real disk that is full, or read-only: a small tmpfs, which takes root to mount.
const disk = mkdtempSync(join(tmpdir(), 'holdfast-config-full-'))
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'holdfast', disk]).status === 0
if (!mounted) console.warn('SKIPPED: the tests of a full disk need to mount a tmpfs, as root')
const lastKnownGood = join(disk, 'state')
const schema = z.object({ limit: z.int(), padding: z.string() })
const padding = 'x'.repeat(20_000)

afterAll(() => {
  if (mounted) spawnSync('umount', [disk])
  rmSync(disk, { recursive: true, force: true })
})

function fill(): void {
  try {
    writeFileSync(join(disk, 'filler'), Buffer.alloc(2 ** 20))
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' })
  }
}

async function bootWithoutSources(): Promise<number> {
  const out = memorySource({})
  out.fail(new Error('down'))
  await using config = await openConfig({ schema, sources: [out], lastKnownGood, bootTimeoutMs: 1 })
  expect(config.origin).toBe('lkg')
  return config.value.limit
}

test.runIf(mounted)(
  'a full disk stops no config, harms no last-known-good, and is made good later',
  async () => {
    const source = memorySource({ limit: 1, padding })
    const config = await openConfig({ schema, sources: [source], lastKnownGood })
    fill()
    source.set({ limit: 2, padding: `${padding}${padding}` })
    await config.refresh()
    expect(config.value.limit).toBe(2)
    const { error } = config.status().lastKnownGood
    expect(error).toMatchObject({ code: 'CONFIG_SAVE_FAILED', cause: { code: 'ENOSPC' } })
    expect(await bootWithoutSources()).toBe(1)
    rmSync(join(disk, 'filler'))
    await config.refresh()
    expect(config.status().lastKnownGood.error).toBeUndefined()
    expect(await bootWithoutSources()).toBe(2)
    await config.close()
  },
)

test.runIf(mounted)('a read-only folder stops neither a boot nor a config', async () => {
  expect(spawnSync('mount', ['-o', 'remount,ro', disk]).status).toBe(0)
  const source = memorySource({ limit: 3, padding })
  const config = await openConfig({ schema, sources: [source], lastKnownGood })
  expect(config.value.limit).toBe(3)
  source.set({ limit: 4, padding })
  await config.refresh()
  expect(config.value.limit).toBe(4)
  expect(config.status().lastKnownGood.error).toMatchObject({ cause: { code: 'EROFS' } })
  await config.close()
  expect(await bootWithoutSources()).toBe(2)
  expect(spawnSync('mount', ['-o', 'remount,rw', disk]).status).toBe(0)
  expect(statSync(lastKnownGood).mode & 0o777).toBe(0o700)
})
