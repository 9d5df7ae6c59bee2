import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Compression, canRead, codecs } from '../chunks/codec.ts'
import { directory, folderStore, memoryStore, openRepository } from '../index.ts'
import { plainKeys } from '../keys/keys.ts'
import { createObjects } from '../objects.ts'

const hasZstd = canRead(codecs.zstd)
let folder: string
let source: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-compression-'))
  source = join(folder, 'source')
  await mkdir(join(source, 'folder'), { recursive: true })
  await writeFile(join(source, 'text'), 'a line of text\n'.repeat(2_000))
  await writeFile(join(source, 'short'), 'short')
  await writeFile(join(source, 'folder/other'), 'another line\n'.repeat(30_000))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function expectRestored(from: string, target: string): Promise<void> {
  for (const name of await readdir(from, { recursive: true, withFileTypes: true })) {
    if (!name.isFile()) continue
    const path = join(name.parentPath, name.name).slice(from.length)
    expect((await readFile(join(target, path))).equals(await readFile(join(from, path)))).toBe(true)
  }
}

/** What a later Node has stored of the same files, with zstd. */
async function openGolden() {
  const copy = join(folder, 'repository')
  await cp(fileURLToPath(new URL('../../golden/v1-zstd', import.meta.url)), copy, { recursive: true })
  return openRepository(folderStore(copy), { create: false })
}

test('what zstd made is restored where Node has it, and is never called damaged where it has not', async () => {
  await using repository = await openGolden()
  const [snapshot] = await repository.list()
  await repository.verify(snapshot!, { level: 'bytes' })
  const target = join(folder, 'target')
  if (hasZstd) {
    await repository.verify(snapshot!, { level: 'data' })
    await repository.restore(snapshot!, target)
    await expectRestored(source, target)
    return
  }
  const unsupported = { code: 'REPOSITORY_UNSUPPORTED', message: expect.stringContaining('Node 22.15') }
  await expect(repository.verify(snapshot!, { level: 'data' })).rejects.toMatchObject(unsupported)
  await expect(repository.restore(snapshot!, target)).rejects.toMatchObject(unsupported)
  await expect(openRepository(memoryStore(), { compression: 'zstd' })).rejects.toMatchObject(unsupported)
  expect((await readdir(folder)).sort()).toEqual(['repository', 'source'])
})

test('a backup beside what zstd made can be restored where it was made', async () => {
  await using repository = await openGolden()
  const snapshot = await repository.backup(directory(source), { name: 'golden/state' })
  expect(snapshot.storedBytes > 700).toBe(!hasZstd) // The same chunks again, where they could not be read.
  await repository.verify(snapshot, { level: 'data' })
  const target = join(folder, 'target')
  await repository.restore(snapshot, target)
  await expectRestored(source, target)
})

test.runIf(hasZstd).each([0, 2])(
  '%d threads: one repository holds what brotli and what zstd made',
  async (threads) => {
    const store = memoryStore()
    for (const [at, compression] of (['brotli', 'zstd', 'brotli'] satisfies Compression[]).entries()) {
      for (let file = 0; file < 100; file += 1)
        await writeFile(
          join(source, `folder/${at}-${file}`),
          `${at} and ${file} in a line\n`.repeat(file + 9),
        )
      await writeFile(join(source, `large-${at}`), `${at} in a line\n`.repeat(50_000))
      await using repository = await openRepository(store, { threads, compression })
      await repository.backup(directory(source), { name: 'n' })
    }
    await using repository = await openRepository(store, { threads })
    for (const [at, snapshot] of (await repository.list()).entries()) {
      await repository.verify(snapshot, { level: 'data' })
      const target = join(folder, `target-${at}`)
      await repository.restore(snapshot, target)
      if (at === 2) await expectRestored(source, target)
    }
    const last = (await repository.list()).at(-1)!.digest.slice('sha256:'.length)
    const objects = createObjects(store, plainKeys)
    const found = new Set<number>()
    for await (const { entries } of objects.listings(await objects.manifest(last)))
      for (const { codec } of entries) found.add(codec)
    expect([...found]).toEqual(expect.arrayContaining([codecs.brotli, codecs.zstd]))
  },
)
