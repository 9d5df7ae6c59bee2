import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isHoldfastError } from '@holdfast/core'
import { createSeededRandom } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type BlobStore,
  directory,
  memoryStore,
  openRepository,
  type ReadOptions,
  type Snapshot,
} from '../index.ts'

let folder: string
let store: BlobStore
let snapshot: Snapshot

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-damage-'))
  const source = join(folder, 'source')
  await mkdir(join(source, 'sub'), { recursive: true })
  const random = createSeededRandom(3)
  await writeFile(join(source, 'noise'), Buffer.from(Array.from({ length: 600_000 }, () => random() * 256)))
  await writeFile(join(source, 'sub/text'), 'text '.repeat(1_000))
  store = memoryStore()
  await using repository = await openRepository(store)
  snapshot = await repository.backup(directory(source), { name: 'n' })
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function blobs(): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list('blobs/')) keys.push(key)
  return keys
}

const codes = [
  'OBJECT_CORRUPT',
  'OBJECT_MISSING',
  'SNAPSHOT_REFUSED',
  'SNAPSHOT_DAMAGED',
  'REPOSITORY_UNSUPPORTED',
]
const isCoded = (error: unknown): boolean => codes.some((code) => isHoldfastError(error, code))

/** Opens afresh, so that nothing is remembered, and expects a coded failure and an untouched target. */
async function expectDamage(
  what: string,
  levels: readonly ('structure' | 'bytes' | 'data')[],
): Promise<void> {
  await using repository = await openRepository(store)
  const target = join(folder, 'target')
  const restored = await repository.restore(snapshot, target, { fsync: false }).then(
    () => 'exact',
    (error: unknown) => (isCoded(error) ? 'refused' : error),
  )
  expect(['exact', 'refused'], what).toContain(restored)
  if (restored === 'refused') expect(await readdir(folder)).toEqual(['source'])
  await rm(target, { recursive: true, force: true })
  for (const level of levels) {
    const verified = repository.verify(snapshot, { level })
    await expect(verified, `${what} at level ${level}`).rejects.toMatchObject({ code: 'SNAPSHOT_DAMAGED' })
  }
}

test('one bit flipped anywhere is found by `bytes`, and never restored as if it were right', async () => {
  const random = createSeededRandom(11)
  for (const key of await blobs()) {
    const whole = (await store.get(key))!
    for (let trial = 0; trial < 12; trial += 1) {
      const position = Math.floor(random() * whole.length)
      const broken = Uint8Array.from(whole)
      broken[position]! ^= 1 << Math.floor(random() * 8)
      await store.put(key, [broken])
      await expectDamage(`${key} at ${position}`, ['bytes'])
    }
    await store.put(key, [whole])
  }
})

test('an object cut to 0, half or all but a byte, or gone, is found by every level', async () => {
  for (const key of await blobs()) {
    const whole = (await store.get(key))!
    for (const length of [0, whole.length >> 1, whole.length - 1]) {
      await store.put(key, [whole.subarray(0, length)])
      await expectDamage(`${key} cut to ${length}`, ['structure', 'bytes', 'data'])
    }
    await store.delete(key)
    await expectDamage(`${key} gone`, ['structure', 'bytes', 'data'])
    await store.put(key, [whole])
  }
})

test('format.json, of which no digest tells, is believed only whole', async () => {
  const whole = (await store.get('format.json'))!
  const random = createSeededRandom(17)
  const broken = [0, whole.length >> 1, whole.length - 3].map((length) => whole.subarray(0, length))
  for (let trial = 0; trial < 60; trial += 1) {
    const flipped = Uint8Array.from(whole)
    flipped[Math.floor(random() * whole.length)]! ^= 1 << Math.floor(random() * 8)
    broken.push(flipped)
  }
  for (const bytes of broken) {
    await store.put('format.json', [bytes])
    const opened = await openRepository(store).then(
      async (repository) => (await repository.list()).length,
      (error: unknown) => (isCoded(error) ? 'refused' : error),
    )
    // Spaces may be others: they mean nothing.
    if (opened !== 'refused')
      expect(JSON.parse(Buffer.from(bytes).toString())).toEqual(JSON.parse(Buffer.from(whole).toString()))
  }
})

test('one damaged snapshot does not hide the others', async () => {
  await using repository = await openRepository(store)
  const source = join(folder, 'source')
  const second = await repository.backup(directory(source), { name: 'n' })
  const key = `blobs/sha256/${snapshot.digest.slice(7)}`
  await store.put(key, [Buffer.from('{}')])
  await using fresh = await openRepository(store)
  await expect(fresh.list()).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  const damaged: string[] = []
  const listed = await fresh.list({ onDamaged: ({ digest }) => damaged.push(digest) })
  expect([listed.map(({ digest }) => digest), damaged]).toEqual([[second.digest], [snapshot.digest]])
})

test('two objects that change places are both found', async () => {
  const [one, two] = (await blobs()) as [string, string]
  const [first, second] = [(await store.get(one))!, (await store.get(two))!]
  await store.put(one, [second])
  await store.put(two, [first])
  await expectDamage('swapped', ['bytes'])
})

test('a damaged chunk is told with its path and the digest of its pack', async () => {
  const sized = await Promise.all(
    (await blobs()).map(async (key) => ({ key, bytes: (await store.get(key))! })),
  )
  const { key, bytes } = sized.sort((a, b) => b.bytes.length - a.bytes.length)[0]!
  bytes[500_000]! ^= 1
  await store.put(key, [bytes])
  await using repository = await openRepository(store)
  await expect(repository.restore(snapshot, join(folder, 'target'))).rejects.toMatchObject({
    code: 'OBJECT_CORRUPT',
    fields: { path: 'noise', digest: `sha256:${key.slice('blobs/sha256/'.length)}` },
  })
  await expect(repository.verify(snapshot, { level: 'drill' })).rejects.toMatchObject({
    fields: { problems: [{ code: 'OBJECT_CORRUPT', path: 'noise' }] },
  })
  await expect(repository.verify(snapshot, { level: 'structure' })).resolves.toMatchObject({
    level: 'structure',
  })
})

test('n samples together look at everything', async () => {
  await using repository = await openRepository(store)
  const all = await repository.verify(snapshot, { level: 'bytes' })
  let objects = 0
  for (let part = 1; part <= 3; part += 1)
    objects += (await repository.verify(snapshot, { level: 'bytes', sample: `${part}/3` })).objects
  expect(objects).toBe(all.objects)
  await expect(repository.verify(snapshot, { sample: '4/3' })).rejects.toThrow(RangeError)
})

/** A store that answers as if all were well. */
function lying(inner: BlobStore, answer: (bytes: Uint8Array, asked: ReadOptions) => Uint8Array): BlobStore {
  return {
    ...inner,
    get: async (key, options = {}) => {
      const whole = await inner.get(key)
      return whole && answer(whole, options)
    },
  }
}

const part = (bytes: Uint8Array, { offset = 0, length = bytes.length }: ReadOptions): Uint8Array =>
  Uint8Array.from(bytes.subarray(offset, offset + length))

test.each<[string, (bytes: Uint8Array, asked: ReadOptions) => Uint8Array]>([
  ['gives all of an object instead of a part', (bytes) => bytes],
  ['gives a byte less', (bytes, asked) => part(bytes, asked).subarray(0, -1)],
  ['gives nothing', () => new Uint8Array()],
  [
    'gives other bytes',
    (bytes, asked) => part(bytes, asked).map((byte, at) => (at % 100 === 50 ? byte ^ 4 : byte)),
  ],
])('a store that %s is never believed', async (what, answer) => {
  await using honest = await openRepository(store)
  await honest.verify(snapshot, { level: 'data' })
  // Only packs: the format and the manifests have been read before by an honest one.
  const sizes = new Map<string, number>()
  for await (const { key, size } of store.list('blobs/')) sizes.set(key, size)
  const [pack] = [...sizes].sort((a, b) => b[1] - a[1])[0]!
  const liar = lying(store, answer)
  const mixed = {
    ...store,
    get: (key: string, asked?: ReadOptions) => (key === pack ? liar : store).get(key, asked),
  }
  await using repository = await openRepository(mixed)
  const target = join(folder, 'target')
  await expect(repository.restore(snapshot, target)).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  // What is right in spite of it, as the whole object where the whole was asked for, may pass for bytes.
  const levels = what.startsWith('gives all') ? (['data'] as const) : (['bytes', 'data'] as const)
  for (const level of levels)
    await expect(repository.verify(snapshot, { level })).rejects.toMatchObject({ code: 'SNAPSHOT_DAMAGED' })
  expect(await readdir(folder)).toEqual(['source'])
})
