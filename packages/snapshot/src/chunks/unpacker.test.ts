import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSeededRandom } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Context, openChunks } from '../context.ts'
import {
  type BlobStore,
  directory,
  memoryStore,
  openRepository,
  type Problem,
  type Snapshot,
} from '../index.ts'
import { plainKeys } from '../keys/keys.ts'
import { createObjects } from '../objects.ts'
import type { WriteOrder } from '../threads/unpack.ts'
import { locateChunk } from './chunk-index.ts'
import { createRunPlan } from './runs.ts'
import { createUnpacker } from './unpacker.ts'

// So many files that threads are started for them.
const files = 200
let folder: string
let source: string
let store: BlobStore
let snapshot: Snapshot

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-unpack-'))
  source = join(folder, 'source')
  await mkdir(source)
  const random = createSeededRandom(8)
  for (let file = 0; file < files; file += 1) {
    const noise = Buffer.from(Array.from({ length: 500 }, () => random() * 256))
    const content = file % 2 === 0 ? noise : Buffer.from(`${noise.toString('hex')} `.repeat(file))
    await writeFile(join(source, `file-${file}`), file === 199 ? '' : content)
  }
  store = memoryStore()
  await using repository = await openRepository(store)
  snapshot = await repository.backup(directory(source), { name: 'n' })
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test.each([0, 2])('%d threads: what is whole is verified and restored', async (threads) => {
  await using repository = await openRepository(store, { threads })
  const { objects } = await repository.verify(snapshot, { level: 'data' })
  expect(objects).toBeGreaterThanOrEqual(files - 1)
  const target = join(folder, 'target')
  const result = await repository.restore(snapshot, target, { fsync: threads === 0 })
  expect(result).toMatchObject({ files, restoredBytes: snapshot.bytes })
  for (const name of await readdir(source)) {
    expect((await readFile(join(target, name))).equals(await readFile(join(source, name)))).toBe(true)
    const [is, was] = [await stat(join(target, name)), await stat(join(source, name))]
    expect(is.mode).toBe(was.mode)
    expect(Math.abs(is.mtimeMs - was.mtimeMs)).toBeLessThan(0.002)
  }
})

test.each([0, 2])(
  '%d threads: each damaged chunk is told with its path, and nothing is restored',
  async (threads) => {
    const [pack] = await packs()
    const bytes = (await store.get(pack!))!
    for (const part of [0.1, 0.3, 0.5]) bytes[Math.floor(bytes.length * part)]! ^= 1
    await store.put(pack!, [bytes])
    await using repository = await openRepository(store, { threads })
    const error = await repository.verify(snapshot, { level: 'data' }).catch((reason) => reason)
    const { problems } = (error as { fields: { problems: Problem[] } }).fields
    expect(problems.map(({ code }) => code)).toEqual(['OBJECT_CORRUPT', 'OBJECT_CORRUPT', 'OBJECT_CORRUPT'])
    expect(problems.every(({ path }) => /^file-\d+$/.test(path ?? ''))).toBe(true)
    const restored = repository.restore(snapshot, join(folder, 'target'))
    await expect(restored).rejects.toMatchObject({
      code: 'OBJECT_CORRUPT',
      fields: { path: expect.any(String) },
    })
    expect(await readdir(folder)).toEqual(['source'])
  },
)

test.each<[string, (bytes: Uint8Array) => Uint8Array, outcome: string]>([
  // What is needed is all there, in the smaller parts that are asked for then.
  ['gives a byte less', (bytes) => bytes.subarray(0, -1), 'exact'],
  ['gives nothing', () => new Uint8Array(), 'OBJECT_CORRUPT'],
  [
    'gives other bytes',
    (bytes) => bytes.map((byte, at) => (at % 100 === 50 ? byte ^ 4 : byte)),
    'OBJECT_CORRUPT',
  ],
])('threads believe no store that %s', async (_, answer, expected) => {
  const [pack] = await packs()
  const lying: BlobStore = {
    ...store,
    get: async (key, options) => {
      const bytes = await store.get(key, options)
      return bytes && key === pack && (options?.length ?? 0) > 50_000 ? answer(bytes) : bytes
    },
  }
  await using repository = await openRepository(lying, { threads: 2 })
  const target = join(folder, 'target')
  const outcome = await repository.restore(snapshot, target).then(
    () => 'exact',
    (error: { code?: string }) => error.code,
  )
  expect(outcome).toBe(expected)
  if (outcome !== 'exact') expect(await readdir(folder)).toEqual(['source'])
  else
    for (const name of await readdir(source))
      expect((await readFile(join(target, name))).equals(await readFile(join(source, name)))).toBe(true)
})

test('what cannot be written is left to who can tell, and leaves nothing', async () => {
  const objects = createObjects(store, plainKeys)
  const context = { store, keys: plainKeys, objects, threads: 1 } as Context
  const { reader, index } = await openChunks(context, await objects.manifest(snapshot.digest.slice(7)))
  const unpacker = createUnpacker<WriteOrder | undefined>(context, reader, (order) => order)
  const chunk = locateChunk(index, plainKeys.chunkId(await readFile(join(source, 'file-0'))), 500)
  const whole = (name: string, size = 500): WriteOrder => ({
    path: join(folder, name),
    size,
    mode: 0o640,
    mtimeSeconds: 1,
  })
  const part = (name: string, position: number): WriteOrder => ({
    path: join(folder, name),
    position,
    sparse: false,
  })
  await writeFile(join(folder, 'there'), 'mine')
  await writeFile(join(folder, 'parts'), '')
  const plan = createRunPlan<WriteOrder | undefined>()
  // So many that a thread is started.
  for (let at = 0; at < 40; at += 1) plan.want(chunk, undefined)
  const failing = [whole('there'), whole('none/there'), whole('longer', 501), part('none', 0)]
  const fine = [whole('fine'), part('parts', 500), part('parts', 0)]
  for (const order of [...failing, ...fine]) plan.want(chunk, order)
  plan.want({ ...chunk, id: '0'.repeat(64) }, undefined)
  plan.want({ ...chunk, id: '1'.repeat(64), pack: '1'.repeat(64) }, whole('of no pack'))
  plan.want(undefined, whole('empty', 0))
  const undone: (WriteOrder | undefined)[] = []
  let done = 0
  await unpacker.unpack(plan.take(), (order, ok) => {
    if (ok) done += 1
    else undone.push(order)
  })
  expect(undone).toEqual(expect.arrayContaining([...failing, undefined, whole('of no pack')]))
  expect([undone.length, done]).toEqual([failing.length + 2, 40 + fine.length + 1])
  const content = await readFile(join(source, 'file-0'))
  expect((await readFile(join(folder, 'parts'))).equals(Buffer.concat([content, content]))).toBe(true)
  expect((await readFile(join(folder, 'fine'))).equals(content)).toBe(true)
  expect(await readFile(join(folder, 'there'), 'utf8')).toBe('mine')
  expect((await readdir(folder)).sort()).toEqual(['empty', 'fine', 'parts', 'source', 'there'])
  await unpacker.close()
})

async function packs(): Promise<string[]> {
  const found: { key: string; size: number }[] = []
  for await (const { key, size } of store.list('blobs/')) found.push({ key, size })
  return found.sort((a, b) => b.size - a.size).map(({ key }) => key)
}
