import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSeededRandom } from '@holdfast/core/testing'
import { directory, folderStore, openRepository } from '@holdfast/snapshot'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

// A real file system of 1 MiB that fills up. Mounting needs root.
let folder: string
let disk: string
const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-full-'))
  disk = join(folder, 'disk')
  await mkdir(disk)
  await mkdir(join(folder, 'source'))
  const random = createSeededRandom(1)
  const noise = Buffer.from(Array.from({ length: 3_000_000 }, () => random() * 256))
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
})
