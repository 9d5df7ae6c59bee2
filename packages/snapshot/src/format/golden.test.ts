import { createHash } from 'node:crypto'
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { folderStore, openRepository } from '../index.ts'

const golden = (name: string): string => fileURLToPath(new URL(`../../golden/${name}`, import.meta.url))

/** Repositories of every format version: each later release must read them. */
test.each([
  ['v1-plain', undefined],
  ['v1-encrypted', 'golden passphrase'],
])('%s is read, verified and restored', async (name, key) => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-golden-'))
  try {
    await using repository = await openRepository(folderStore(golden(name)), {
      create: false,
      ...(key !== undefined && { key }),
    })
    const [first, second] = await repository.list({ name: 'golden/state' })
    expect(first).toMatchObject({ tags: { made: 'by format 1' }, files: 6, folders: 2, state: 'complete' })
    expect(second).toMatchObject({ tags: { made: 'second' }, files: 7 })
    await repository.verify(first!, { level: 'bytes' })
    const at = join(folder, 'restored')
    await repository.restore(first!, at)
    expect(await readFile(join(at, 'text'), 'utf8')).toBe('a line of text\n'.repeat(2_000))
    expect(Math.round((await lstat(join(at, 'text'))).mtimeMs)).toBe(1_234_567_890_500)
    const noise = createHash('sha256').update(await readFile(join(at, 'folder/noise')))
    expect(noise.digest('hex').slice(0, 16)).toBe('5d6845ec63eaad1d')
    expect((await lstat(join(at, 'folder/noise'))).mode & 0o777).toBe(0o640)
    expect(await readlink(join(at, 'folder/link'))).toBe('../text')
    expect((await lstat(join(at, 'folder/hard'))).ino).toBe((await lstat(join(at, 'text'))).ino)
    expect((await lstat(join(at, 'sparse'))).size).toBe(300_000)
    const names = await readdir(at, { encoding: 'buffer' })
    expect(names.some((bytes) => bytes.equals(Buffer.from([...Buffer.from('odd-'), 0xff])))).toBe(true)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})
