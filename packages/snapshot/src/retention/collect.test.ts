import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BlobStore, directory, memoryStore, openRepository, type Repository } from '../index.ts'

const graceMs = 3_600_000
let folder: string
let clock: FakeClock
let store: BlobStore
let repository: Repository

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-collect-'))
  clock = createFakeClock()
  store = memoryStore({ clock })
  repository = await openRepository(store, { clock, graceMs })
})
afterEach(async () => {
  await repository.close()
  await rm(folder, { recursive: true, force: true })
})

async function write(seed: number): Promise<void> {
  const random = createSeededRandom(seed)
  await writeFile(join(folder, 'file'), Buffer.from(Array.from({ length: 50_000 }, () => random() * 256)))
}
const take = (name = 'n') => repository.backup(directory(folder), { name })
const forgetAllButLast = () => repository.forget({ keep: { last: 1 } })
const pass = (periods: number) => clock.advance(graceMs * periods + 1)

async function objects(prefix = 'blobs/'): Promise<number> {
  let count = 0
  for await (const _ of store.list(prefix)) count += 1
  return count
}

test('forgetting deletes no data; collecting does, in two runs with a grace period before each', async () => {
  await write(1)
  const first = await take()
  await write(2)
  await clock.advance(1_000)
  const second = await take()
  const whole = await objects()
  expect(await repository.forget({ keep: { last: 1 }, dryRun: true })).toMatchObject({
    forgotten: [{ digest: first.digest }],
  })
  expect(await repository.list()).toHaveLength(2)
  await forgetAllButLast()
  expect(await repository.list()).toMatchObject([{ digest: second.digest }])
  expect(await repository.collect()).toMatchObject({ marked: 0, deleted: 0 }) // too young
  await pass(1)
  expect(await repository.collect({ dryRun: true })).toMatchObject({ marked: 4 })
  expect(await repository.collect()).toMatchObject({ marked: 4, deleted: 0 })
  expect(await repository.collect()).toMatchObject({ marked: 0, deleted: 0 }) // marked too shortly
  expect(await objects()).toBe(whole)
  await pass(1)
  expect(await repository.collect()).toMatchObject({ marked: 0, deleted: 4 })
  expect(await objects()).toBe(whole - 4)
  expect(await objects('gc/')).toBe(0)
  await repository.verify(second)
})

test('a backup never leans on what is marked', async () => {
  await write(1)
  await take('old')
  await write(2)
  await take('new')
  await store.delete((await refKeys('refs/old/'))[0]!)
  await pass(1)
  expect((await repository.collect()).marked).toBe(4)
  await write(1)
  const again = await take('new')
  expect(again.storedBytes).toBeGreaterThan(50_000)
  await pass(1)
  await repository.collect()
  await repository.verify(again)
})

test('a backup gives up when what it shares was marked meanwhile, or when it took too long', async () => {
  await write(1)
  const old = await take()
  await pass(1)
  const hindered = hinder(store, async () => {
    await store.delete((await refKeys('refs/n/'))[0]!)
    await repository.collect()
  })
  const other = await openRepository(hindered, { clock })
  const outdated = { code: 'BACKUP_OUTDATED', retryable: true }
  await expect(other.backup(directory(folder), { name: 'n' })).rejects.toMatchObject(outdated)
  expect(await repository.list()).toEqual([])
  const slow = await openRepository(
    hinder(store, () => clock.advance(graceMs / 2 + 1)),
    { clock },
  )
  await expect(slow.backup(directory(folder), { name: 'n' })).rejects.toMatchObject(outdated)
  expect((await take()).digest).not.toBe(old.digest)
})

test('a backup that stood still just before its last write takes it back', async () => {
  await write(1)
  const first = await take()
  const paused: BlobStore = {
    ...store,
    async put(key, parts, options) {
      if (key.startsWith('refs/')) await clock.advance(graceMs * 3)
      return store.put(key, parts, options)
    },
  }
  await using late = await openRepository(paused, { clock })
  await expect(late.backup(directory(folder), { name: 'n' })).rejects.toMatchObject({
    code: 'BACKUP_OUTDATED',
  })
  expect(await repository.list()).toMatchObject([{ digest: first.digest }])
})

test('a damaged list of marks permits nothing, hinders nobody, and goes in time', async () => {
  await write(1)
  await take()
  await write(2)
  await clock.advance(1_000)
  await take()
  await forgetAllButLast()
  await pass(1)
  expect((await repository.collect()).marked).toBe(4)
  const [list] = await refKeys('gc/')
  for (const damaged of ['', '[]', '{"version":1,"digests":7}', '{"version":1,"dig']) {
    await store.put(list!, [Buffer.from(damaged)])
    await clock.advance(1_000)
    await take('other')
  }
  await pass(1)
  expect(await repository.collect()).toMatchObject({ deleted: 0, marked: 4 })
  expect(await refKeys('gc/')).toHaveLength(1)
  await pass(1)
  expect((await repository.collect()).deleted).toBe(4)
})

test('what is marked though a snapshot needs it is stored again, and outlives the marks', async () => {
  await write(1)
  await take()
  const digests = (await refKeys('blobs/')).map((key) => key.slice('blobs/sha256/'.length))
  await store.put('gc/20260101T000000000Z-by-mistake', [Buffer.from(JSON.stringify({ version: 1, digests }))])
  const again = await take()
  expect(again.storedBytes).toBeGreaterThan(50_000)
  await pass(1)
  expect((await repository.collect()).deleted).toBe(0)
  expect(await objects('gc/')).toBe(0)
  await repository.verify(again)
})

test('a copy never leans on what is marked where it goes', async () => {
  await write(1)
  const source = memoryStore({ clock })
  await using origin = await openRepository(source, { clock, graceMs })
  const snapshot = await origin.backup(directory(folder), { name: 'n' })
  await origin.copyTo(store, snapshot)
  await repository.forget({ keep: { last: 0 }, allowForgetAll: true })
  await pass(1)
  expect((await repository.collect()).marked).toBe(4)
  await expect(origin.copyTo(store, snapshot)).rejects.toMatchObject({ code: 'BACKUP_OUTDATED' })
  expect(await repository.list()).toEqual([])
  await pass(1)
  expect((await repository.collect()).deleted).toBe(4)
  await origin.copyTo(store, snapshot)
  await using fresh = await openRepository(store, { clock })
  await fresh.verify(snapshot)
})

test('a blob that was written again since it was marked is spared', async () => {
  await write(1)
  await take()
  await repository.forget({ keep: { last: 0 }, allowForgetAll: true })
  await pass(1)
  await repository.collect()
  await clock.advance(1)
  const keys = await refKeys('blobs/')
  await store.put(keys[0]!, [(await store.get(keys[0]!))!])
  await pass(1)
  expect((await repository.collect()).deleted).toBe(3)
  expect(await refKeys('blobs/')).toEqual([keys[0]])
})

test('two collectors at the same time, and one by a store whose clock is elsewhere, delete nothing that is needed', async () => {
  await write(1)
  await take()
  await write(2)
  await clock.advance(1_000)
  const kept = await take()
  await forgetAllButLast()
  for (let round = 0; round < 4; round += 1) {
    await pass(1)
    const skewed = await openRepository(store, { clock: createFakeClock({ wall: 0 }) })
    await Promise.all([repository.collect(), repository.collect(), skewed.collect()])
  }
  expect(await objects()).toBe(4)
  await repository.verify(kept)
})

test('nothing is deleted while any manifest cannot be read', async () => {
  await write(1)
  const { digest } = await take()
  const whole = await objects()
  const key = `blobs/sha256/${digest.slice(7)}`
  await store.put(key, [Buffer.from('{}')])
  await using fresh = await openRepository(store, { clock })
  for (let round = 0; round < 3; round += 1) {
    await pass(1)
    await expect(fresh.collect()).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  }
  expect(await objects()).toBe(whole)
})

test('to forget everything needs a word', async () => {
  await write(1)
  await take()
  await expect(repository.forget({ keep: { hourly: 0 } })).rejects.toThrow(/allowForgetAll/)
  expect(await repository.list()).toHaveLength(1)
  await repository.forget({ keep: { last: 0 }, allowForgetAll: true })
  expect(await repository.list()).toEqual([])
})

test('a backup that was cut off is gone on with, and its packs are collected when it never is', async () => {
  await write(1)
  const failing = await openRepository(failOn(store, 'refs/'), { clock })
  await expect(failing.backup(directory(folder), { name: 'n' })).rejects.toThrow('no more')
  const resumed = await take()
  expect(resumed.storedBytes).toBe(0)
  await repository.verify(resumed)
  await repository.forget({ keep: { last: 0 }, allowForgetAll: true })
  await pass(1)
  await repository.collect()
  await pass(1)
  await repository.collect()
  expect(await objects()).toBe(0)
})

async function refKeys(prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys
}

/** The same store, with something happening just before the first manifest or config is written. */
function hinder(inner: BlobStore, act: () => Promise<void>): BlobStore {
  let done = false
  return {
    ...inner,
    async put(key, parts, options) {
      if (!done && parts[0]?.[0] === 0x7b) {
        done = true
        await act()
      }
      return inner.put(key, parts, options)
    },
  }
}

function failOn(inner: BlobStore, prefix: string): BlobStore {
  return {
    ...inner,
    async put(key, parts, options) {
      if (key.startsWith(prefix)) throw new Error('no more')
      return inner.put(key, parts, options)
    },
  }
}
