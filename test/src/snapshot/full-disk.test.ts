import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, open, readdir, readFile, rm, statfs, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSeededRandom } from '@holdfast/core/testing'
import { directory, folderStore, openRepository } from '@holdfast/snapshot'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// A real file system of 1 MiB that fills up. Mounting needs root.
let folder: string
let disk: string
let noise: Buffer
const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-full-'))
  disk = join(folder, 'disk')
  await mkdir(disk)
  await mkdir(join(folder, 'source'))
  const random = createSeededRandom(1)
  noise = Buffer.from(Array.from({ length: 3_000_000 }, () => random() * 256))
  await writeFile(join(folder, 'source/noise'), noise)
})
afterAll(async () => {
  spawnSync('umount', [disk])
  await rm(folder, { recursive: true, force: true })
})

const mounted = canMount ? describe : describe.skip
if (!canMount) console.warn('SKIPPED: a full disk needs root and mount')

mounted('on a full disk', () => {
  beforeAll(() => {
    const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'holdfast', disk])
    if (status !== 0) throw new Error(String(stderr))
  })

  test('a restore leaves the target as it was', async () => {
    await using repository = await openRepository(folderStore(join(folder, 'repository')))
    const snapshot = await repository.backup(directory(join(folder, 'source')), { name: 'n' })
    const target = join(disk, 'target')
    await mkdir(target)
    await writeFile(join(target, 'mine'), 'precious')
    const restoring = repository.restore(snapshot, target, { overwrite: 'replace' })
    await expect(restoring).rejects.toMatchObject({ code: 'TARGET_FAILED', fields: { path: 'noise' } })
    expect(await readFile(join(target, 'mine'), 'utf8')).toBe('precious')
    expect(await readdir(disk)).toEqual(['target'])
    await rm(target, { recursive: true })
  })

  test('a restore by threads leaves the target as it was, whether files are small or large', async () => {
    await using repository = await openRepository(folderStore(join(folder, 'repository')), { threads: 2 })
    for (const [name, files, bytes] of [
      ['many', 60, 50_000],
      ['large', 2, 3_000_000],
    ] as const) {
      const source = join(folder, name)
      await mkdir(source)
      for (let at = 0; at < files; at += 1)
        await writeFile(join(source, `${at}`), Buffer.concat([Buffer.of(at), noise.subarray(0, bytes)]))
      const snapshot = await repository.backup(directory(source), { name })
      const restoring = repository.restore(snapshot, join(disk, 'target'), { fsync: false })
      await expect(restoring).rejects.toMatchObject({
        code: 'TARGET_FAILED',
        fields: { path: expect.stringMatching(/^\d+$/) },
        cause: { code: 'ENOSPC' },
      })
      expect(await readdir(disk)).toEqual([])
    }
  })

  test('a backup fails by code, leaves no half, and collecting still works', async () => {
    await using repository = await openRepository(folderStore(join(disk, 'repository')))
    await writeFile(join(folder, 'source/little'), 'little')
    const little = await repository
      .backup(directory(join(folder, 'source')), { name: 'n' })
      .catch((error) => error)
    expect(little).toMatchObject({ code: 'STORE_FAILED', retryable: true, cause: { code: 'ENOSPC' } })
    expect(await readdir(join(disk, 'repository/.tmp'))).toEqual([])
    await rm(join(folder, 'source/noise'))
    const snapshot = await repository.backup(directory(join(folder, 'source')), { name: 'n' })
    await repository.verify(snapshot)
    await expect(repository.collect()).resolves.toMatchObject({ deleted: 0 })
  })
  test('where not a byte is left, forgetting and collecting make room, and a backup fails by code', async () => {
    const path = join(disk, 'tight')
    await rm(join(disk, 'repository'), { recursive: true })
    await using repository = await openRepository(folderStore(path), { graceMs: 3_600_000 })
    const source = join(folder, 'small')
    await mkdir(source)
    await writeFile(join(source, 'noise'), noise.subarray(0, 300_000))
    await repository.backup(directory(source), { name: 'n' })
    await writeFile(join(source, 'noise'), noise.subarray(300_000, 400_000))
    const kept = await repository.backup(directory(source), { name: 'n' })
    await fill(join(disk, 'filler'))
    await writeFile(join(source, 'noise'), noise.subarray(500_000, 600_000))
    await expect(repository.backup(directory(source), { name: 'n' })).rejects.toMatchObject({
      code: 'STORE_FAILED',
    })
    const { bavail: before } = await statfs(disk)
    expect(before).toBe(0)
    await repository.forget({ keep: { last: 1 } })
    await age(join(path, 'blobs/sha256'), 5)
    expect(await repository.collect()).toMatchObject({ deleted: 0 })
    await age(join(path, 'gc'), 3)
    expect((await repository.collect()).deletedBytes).toBeGreaterThan(300_000)
    const { bavail, bsize } = await statfs(disk)
    expect(bavail * bsize).toBeGreaterThan(290_000)
    await repository.verify(kept)
    const next = await repository.backup(directory(source), { name: 'n' })
    await repository.verify(next)
  })
})

/** Writes until there is no room for one more byte. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (let block = 65_536; block >= 1; )
      await file.write(Buffer.alloc(block, 1)).catch(() => {
        block = Math.floor(block / 2)
      })
  } finally {
    await file.close()
  }
}

/** Makes files look as if they were written so many hours ago. */
async function age(path: string, hours: number): Promise<void> {
  const time = Date.now() / 1_000 - hours * 3_600
  for (const name of await readdir(path)) await utimes(join(path, name), time, time)
}
