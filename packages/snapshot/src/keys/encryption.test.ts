import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BlobStore, directory, memoryStore, openRepository } from '../index.ts'
import type { KeyProvider } from './key-slots.ts'

const secret = 'the cat sat on the very secret mat'
const key = new Uint8Array(32).fill(7)
let folder: string
let store: BlobStore

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-encryption-'))
  await mkdir(join(folder, 'source'))
  await writeFile(join(folder, 'source', 'secret-name'), secret)
  store = memoryStore()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const source = () => directory(join(folder, 'source'))

async function everything(): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const { key: object } of store.list('')) parts.push((await store.get(object))!)
  return Buffer.concat(parts)
}

test('neither content nor names nor ids can be read in the store, and the key gives all back', async () => {
  await using repository = await openRepository(store, { key })
  const snapshot = await repository.backup(source(), { name: 'n' })
  const stored = await everything()
  expect(stored.includes(secret)).toBe(false)
  expect(stored.includes('secret-name')).toBe(false)
  await using again = await openRepository(store, { key })
  expect((await again.backup(source(), { name: 'n' })).storedBytes).toBe(0)
  await again.verify(snapshot, { level: 'data' })
  await again.restore(snapshot, join(folder, 'target'))
  expect(await readFile(join(folder, 'target/secret-name'), 'utf8')).toBe(secret)
})

test('a wrong key is told apart from a damaged slot', async () => {
  await using _ = await openRepository(store, { key: 'correct horse' })
  const refused = { code: 'REPOSITORY_KEY' }
  await expect(openRepository(store)).rejects.toMatchObject(refused)
  await expect(openRepository(store, { key: 'battery staple' })).rejects.toMatchObject(refused)
  await expect(openRepository(store, { key })).rejects.toMatchObject(refused)
  await expect(openRepository(store, { key: 'short' })).rejects.toThrow(TypeError)
  for await (const { key: object } of store.list('keys/')) {
    const slot = (await store.get(object))!
    slot[40]! ^= 1
    await store.put(object, [slot])
  }
  await expect(openRepository(store, { key: 'correct horse' })).rejects.toMatchObject({
    code: 'OBJECT_CORRUPT',
  })
  const plain = memoryStore()
  await openRepository(plain)
  await expect(openRepository(plain, { key })).rejects.toMatchObject(refused)
})

test('keys can be added and taken away, but not the last', async () => {
  const provider: KeyProvider = {
    id: 'kms',
    wrap: async (master) => master.map((byte) => byte ^ 0x55),
    unwrap: async (wrapped) => wrapped.map((byte) => byte ^ 0x55),
  }
  await using repository = await openRepository(store, { key: provider })
  const slot = await repository.addKey('correct horse')
  await using second = await openRepository(store, { key: 'correct horse' })
  expect(await second.list()).toEqual([])
  await repository.removeKey(slot)
  await expect(openRepository(store, { key: 'correct horse' })).rejects.toMatchObject({
    code: 'REPOSITORY_KEY',
  })
  const slots = []
  for await (const one of store.list('keys/')) slots.push(one.key)
  await expect(repository.removeKey(slots[0]!.slice(5))).rejects.toThrow(/last/)
})

test('a chunk, a record and an id of another repository are refused', async () => {
  await using repository = await openRepository(store, { key })
  const snapshot = await repository.backup(source(), { name: 'n' })
  const foreign = memoryStore()
  await using other = await openRepository(foreign, { key })
  const theirs = await other.backup(source(), { name: 'n' })
  for await (const { key: object } of foreign.list('blobs/'))
    await store.put(object, [(await foreign.get(object))!])
  for await (const { key: object } of foreign.list('refs/'))
    await store.put(object, [(await foreign.get(object))!])
  await expect(repository.restore(theirs, join(folder, 'theirs'))).rejects.toMatchObject({
    code: 'SNAPSHOT_REFUSED',
  })
  await repository.restore(snapshot, join(folder, 'ours'))
})
