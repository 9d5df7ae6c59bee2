import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@holdfast/core'
import { createSeededRandom } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Context, openChunks } from '../context.ts'
import type { FileEntry } from '../format/tree.ts'
import { type BlobStore, directory, memoryStore, openRepository, snapshotError } from '../index.ts'
import { plainKeys } from '../keys/keys.ts'
import { createObjects } from '../objects.ts'
import { createMeter } from '../progress.ts'
import { walkSnapshot } from '../walk-snapshot.ts'
import { type Content, createContent } from './content.ts'
import { createFiles } from './files.ts'
import { planFile } from './plan.ts'
import { noSeed } from './seed.ts'

const maxChunkBytes = 4 << 20
let folder: string
let source: string
let store: BlobStore
let digest: string
const names: string[] = []

/** Files in one piece and in many, with holes, empty, and several of the same content. */
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-files-'))
  source = join(folder, 'source')
  await mkdir(source)
  const random = createSeededRandom(21)
  const noise = (bytes: number): Buffer =>
    Buffer.from(Uint32Array.from({ length: bytes >> 2 }, () => random() * 2 ** 32).buffer)
  const large = noise(6_000_000)
  const contents: Record<string, Buffer> = {
    large,
    twin: large,
    zeros: Buffer.alloc(5_000_000),
    empty: noise(0),
  }
  for (let at = 0; at < 50; at += 1)
    contents[`small-${at}`] = at % 5 === 0 ? Buffer.from('same') : noise(2_000)
  for (const [name, content] of Object.entries(contents)) await writeFile(join(source, name), content)
  const sparse = await open(join(source, 'sparse'), 'w')
  await sparse.write(large, 0, 70_000, 9_000_000)
  await sparse.close()
  await truncate(join(source, 'sparse'), 20_000_000)
  names.splice(0, names.length, ...Object.keys(contents), 'sparse')
  store = memoryStore()
  await using repository = await openRepository(store)
  digest = (await repository.backup(directory(source), { name: 'n' })).digest
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test.each([
  { threads: 0, plannedUses: 1_000, fsync: false },
  { threads: 2, plannedUses: 1_000, fsync: false },
  { threads: 2, plannedUses: 1_000, fsync: true },
  { threads: 2, plannedUses: 7, fsync: false },
  { threads: 1, plannedUses: 40, fsync: true },
])('with %o every file is what it was, holes and all', async ({ threads, plannedUses, fsync }) => {
  const objects = createObjects(store, plainKeys)
  const context = { store, keys: plainKeys, objects, threads } as Context
  const { reader, index } = await openChunks(context, await objects.manifest(digest.slice(7)))
  const record = await objects.record(digest.slice(7))
  const root = join(folder, 'target')
  await mkdir(root)
  const meter = createMeter({}, systemClock, 'write')
  const given = { root, meter, owner: false, fsync, signal: undefined }
  const content = createContent({ ...given, reader, maxChunkBytes })
  const synced: string[] = []
  const watched: Content = {
    ...content,
    finish: (file) => content.finish(file).then(() => void synced.push(file.path)),
  }
  const files = createFiles(context, reader, { ...given, content: watched, seed: noSeed, plannedUses })
  for await (const { path, entry } of walkSnapshot(reader, record.root))
    await files.add(planFile(path, entry as FileEntry, index, maxChunkBytes))
  await files.finish()
  await files.close()
  // What is to be synced one by one is not left to the threads, which do not.
  expect(synced.includes('small-1')).toBe(fsync)
  expect([meter.files, meter.bytes]).toEqual([names.length, record.bytes])
  for (const name of names) {
    const [is, was] = [join(root, name), join(source, name)]
    expect((await readFile(is)).equals(await readFile(was)), name).toBe(true)
    expect((await stat(is)).mode, name).toBe((await stat(was)).mode)
    expect(Math.abs((await stat(is)).mtimeMs - (await stat(was)).mtimeMs), name).toBeLessThan(0.002)
  }
  expect((await stat(join(root, 'sparse'))).blocks).toBeLessThan(400)
})

test('what lies in a row is read in a few requests, and little of it twice', async () => {
  const asked: number[] = []
  let packBytes = 0
  for await (const { size } of store.list('blobs/')) packBytes = Math.max(packBytes, size)
  const counting: BlobStore = {
    ...store,
    get: async (key, options = {}) => {
      if (options.length !== undefined) asked.push(options.length)
      return store.get(key, options)
    },
  }
  await using repository = await openRepository(counting, { threads: 2 })
  await repository.restore(digest, join(folder, 'target'), { fsync: false })
  // A window of 1.25 MiB for the folder, the pack in runs of at most 2 MiB but for larger chunks.
  expect(asked.reduce((sum, length) => sum + length, 0)).toBeLessThan(packBytes + (2 << 20))
  expect(asked.length).toBeLessThan(12)
})

test('a chunk that several files have is verified once', async () => {
  const objects = createObjects(store, plainKeys)
  const { packs, indexes } = await objects.manifest(digest.slice(7))
  const context = { store, keys: plainKeys, objects } as Context
  const { reader } = await openChunks(context, { packs, indexes, config: packs[0]! })
  const chunks = new Set<string>()
  for await (const { entry } of walkSnapshot(reader, (await objects.record(digest.slice(7))).root))
    for (const id of (entry as FileEntry).chunks) chunks.add(id)
  await using repository = await openRepository(store)
  const report = await repository.verify(digest, { level: 'data' })
  expect(report.objects).toBe(packs.length + indexes.length + chunks.size)
})

test.each([0, 2])('%d threads: when a restore has failed nothing goes on', async (threads) => {
  await mkdir(join(source, 'zfolder'))
  await writeFile(join(source, 'zfolder/file'), 'x')
  await using honest = await openRepository(store)
  const snapshot = await honest.backup(directory(source), { name: 'n' })
  let going = 0
  let refused = 0
  // Reading a part takes a few turns of the loop, and each second one fails.
  const failing: BlobStore = {
    ...store,
    get: async (key, options = {}) => {
      if (options.length === undefined) return store.get(key, options)
      going += 1
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      going -= 1
      if ((options.offset ?? 0) < 3_000_000) return store.get(key, options)
      refused += 1
      throw snapshotError('STORE_FAILED', 'it is gone')
    },
  }
  await using repository = await openRepository(failing, { threads })
  const restored = repository.restore(snapshot, join(folder, 'target'))
  await expect(restored).rejects.toMatchObject({ code: 'STORE_FAILED' })
  expect(refused).toBeGreaterThan(0)
  expect(going).toBe(0)
  expect(await readdir(folder)).toEqual(['source'])
})
