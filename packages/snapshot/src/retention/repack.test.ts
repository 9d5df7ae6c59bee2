import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Context, openChunks } from '../context.ts'
import { repackedKey } from '../format/layout.ts'
import { decodeTree, type FolderEntry } from '../format/tree.ts'
import { type BlobStore, directory, memoryStore, openRepository, type Repository } from '../index.ts'
import { plainKeys } from '../keys/keys.ts'
import { createObjects } from '../objects.ts'

const graceMs = 3_600_000
const key = new Uint8Array(32).fill(9)
let encrypted: boolean
let folder: string
let source: string
let clock: FakeClock
let store: BlobStore
let repository: Repository

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-repack-'))
  source = join(folder, 'source')
  await mkdir(source)
  clock = createFakeClock()
  encrypted = true
  store = memoryStore({ clock })
  repository = await openRepository(store, { clock, graceMs, key })
})
afterEach(async () => {
  await repository.close()
  await rm(folder, { recursive: true, force: true })
})

function noise(bytes: number, seed: number): Buffer {
  const random = createSeededRandom(seed)
  return Buffer.from(Array.from({ length: bytes }, () => random() * 256))
}

async function take(name = 'n') {
  await clock.advance(1_000)
  return repository.backup(directory(source), { name })
}

async function collectAll(): Promise<void> {
  for (let run = 0; run < 3; run += 1) {
    await clock.advance(graceMs + 1)
    await repository.collect()
  }
}

async function storedBytes(prefix = 'blobs/'): Promise<number> {
  let bytes = 0
  for await (const { size } of store.list(prefix)) bytes += size
  return bytes
}

async function keysOf(prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys
}

const count = async (prefix: string): Promise<number> => (await keysOf(prefix)).length

/** A pack of 130,000 bytes of which the one snapshot that is left needs 30,000. */
async function wear() {
  await writeFile(join(source, 'goes'), noise(100_000, 1))
  await writeFile(join(source, 'stays'), noise(30_000, 2))
  await take()
  await writeFile(join(source, 'goes'), 'gone')
  const kept = await take()
  await repository.forget({ keep: { last: 1 } })
  return kept
}

/** Opens afresh, so that nothing is remembered. */
async function expectWhole(digest: string, from = store): Promise<void> {
  await using opened = await openRepository(from, { clock, ...(encrypted && { key }) })
  for (const level of ['structure', 'bytes', 'data'] as const) await opened.verify(digest, { level })
  const target = join(folder, 'target')
  await opened.restore(digest, target, { fsync: false })
  expect((await readFile(join(target, 'stays'))).equals(noise(30_000, 2))).toBe(true)
  await rm(target, { recursive: true })
}

test('what is needed of a pack that is mostly waste moves, the snapshot stays the same, and the waste is collected', async () => {
  const kept = await wear()
  const told = await repository.repack({ dryRun: true })
  expect(told).toMatchObject({ packs: 1, snapshots: 1, storedBytes: 0 })
  expect(await count('repacked/')).toBe(0)
  const before = await storedBytes()
  const done = await repository.repack()
  expect(done).toMatchObject({
    packs: 1,
    packBytes: told.packBytes,
    unusedBytes: told.unusedBytes,
    snapshots: 1,
  })
  expect(done.unusedBytes).toBeGreaterThan(100_000)
  expect(done.storedBytes).toBeLessThan(32_000)
  expect(await storedBytes()).toBeGreaterThan(before)
  await expectWhole(kept.digest)
  await collectAll()
  expect(await storedBytes()).toBeLessThan(before - 100_000)
  expect(await repository.list()).toMatchObject([{ digest: kept.digest }])
  await expectWhole(kept.digest)
  expect(await repository.repack()).toMatchObject({ packs: 0, snapshots: 0, storedBytes: 0 })
  const next = await take()
  expect(next.storedBytes).toBeLessThan(2_000) // It leans on the new pack.
})

test('a pack of which little is waste is left alone', async () => {
  await wear()
  expect(await repository.repack({ unusedShare: 0.9 })).toMatchObject({ packs: 0 })
  await expect(repository.repack({ unusedShare: 2 })).rejects.toThrow(/unusedShare/)
  expect(await repository.repack({ unusedShare: 0.7 })).toMatchObject({ packs: 1 })
})

/** As `wear`, but what is needed is in the pack of another snapshot too, since two backups did not know of one another. */
async function wearTwice() {
  await writeFile(join(source, 'goes'), noise(100_000, 1))
  await writeFile(join(source, 'stays'), noise(30_000, 2))
  const other = join(folder, 'other')
  await mkdir(other)
  await writeFile(join(other, 'stays'), noise(30_000, 2))
  await Promise.all([take(), repository.backup(directory(other), { name: 'other' })])
  await rm(join(source, 'goes'))
  await take()
  await repository.forget({ keep: { last: 1 } })
}

test('of several rewritings the newest counts, and what it stands above is collected', async () => {
  await writeFile(join(source, 'goes'), noise(100_000, 1))
  await writeFile(join(source, 'stays'), noise(30_000, 2))
  await take()
  await writeFile(join(source, 'also'), noise(20_000, 4))
  await writeFile(join(source, 'bit'), noise(5_000, 5))
  await take()
  await rm(join(source, 'goes'))
  await rm(join(source, 'bit'))
  const kept = await take()
  await repository.forget({ keep: { last: 1 } })
  for (const unusedShare of [0.5, 0.1]) {
    await clock.advance(1_000)
    expect(await repository.repack({ unusedShare })).toMatchObject({ packs: 1, snapshots: 1 })
  }
  const newest = (await keysOf('repacked/')).sort().at(-1)!
  expect(await count('repacked/')).toBe(2)
  const copied = await repository.copyTo(memoryStore({ clock }), kept)
  expect(newest).toContain(copied.digest.slice(7))
  await expectWhole(kept.digest)
  await collectAll()
  expect(await keysOf('repacked/')).toEqual([newest])
  await expectWhole(kept.digest)
})

test('what another pack has too is not stored once more', async () => {
  await wearTwice()
  expect(await repository.repack()).toMatchObject({ packs: 1, snapshots: 1 })
  await collectAll()
  expect(await storedBytes()).toBeLessThan(40_000)
  for (const { digest } of await repository.list()) await expectWhole(digest)
})

test('it never leans on what is marked for deletion', async () => {
  await wearTwice()
  const digests = (await keysOf('blobs/')).map((key) => key.slice('blobs/sha256/'.length))
  await store.put('gc/20260101T000000000Z-by-mistake', [Buffer.from(JSON.stringify({ version: 1, digests }))])
  expect((await repository.repack()).storedBytes).toBeGreaterThan(30_000)
  for (const { digest } of await repository.list()) await expectWhole(digest)
})

test('a file that has the very bytes of a folder’s tree hides nothing', async () => {
  const plain = memoryStore({ clock })
  await repository.close()
  store = plain
  encrypted = false
  repository = await openRepository(plain, { clock, graceMs })
  await writeFile(join(source, 'goes'), noise(100_000, 1))
  await writeFile(join(source, 'stays'), noise(30_000, 2))
  await mkdir(join(source, 'sub'))
  await writeFile(join(source, 'sub/inner'), noise(5_000, 3))
  const first = await take()
  await rm(join(source, 'goes'))
  // Read before `sub` is walked: were that taken for walked then, what is in it would be lost.
  await writeFile(join(source, 'twin'), await treeOf(first.digest, 'sub'))
  const kept = await take()
  await repository.forget({ keep: { last: 1 } })
  expect(await repository.repack()).toMatchObject({ packs: 1 })
  await collectAll()
  await expectWhole(kept.digest)
})

async function treeOf(digest: string, folderName: string): Promise<Uint8Array> {
  const objects = createObjects(store, plainKeys)
  const { root } = await objects.record(digest.slice(7))
  const context = { store, keys: plainKeys, objects } as Context
  const { reader } = await openChunks(context, await objects.manifest(digest.slice(7)))
  const entries = decodeTree(await reader.read(root.tree, 1e6))
  const found = entries.find(({ name }) => name === folderName) as FolderEntry
  return reader.read(found.tree, 1e6)
}

test('damage stops it before anything changes', async () => {
  const kept = await wear()
  const packs: string[] = []
  for await (const { key, size } of store.list('blobs/')) if (size > 100_000) packs.push(key)
  const bytes = (await store.get(packs[0]!))!
  for (let at = 1_000; at < bytes.length - 500; at += 1_000) bytes[at]! ^= 1
  await store.put(packs[0]!, [bytes])
  await using fresh = await openRepository(store, { clock, key })
  await expect(fresh.repack()).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  expect(await count('repacked/')).toBe(0)
  expect(await fresh.list()).toMatchObject([{ digest: kept.digest }])
})

test('a pointer to another snapshot’s manifest is refused', async () => {
  const kept = await wear()
  const other = await take('other')
  await store.put(repackedKey(kept.digest.slice(7), 0, other.digest.slice(7)), [])
  await expect(repository.restore(kept.digest, join(folder, 'target'))).rejects.toMatchObject({
    code: 'SNAPSHOT_REFUSED',
  })
})

test('a snapshot that is forgotten meanwhile stays forgotten, and its pointer goes', async () => {
  const kept = await wear()
  await take('other')
  const forgetting = meanwhile(
    store,
    (key) => key.startsWith('blobs/'),
    async () => {
      await repository.forget({ name: 'n', keep: { last: 0 }, allowForgetAll: true })
    },
  )
  await using busy = await openRepository(forgetting, { clock, key })
  await busy.repack()
  await store.put(repackedKey(kept.digest.slice(7), 0, '0'.repeat(64)), [])
  await collectAll()
  expect(await repository.list()).toMatchObject([{ name: 'other' }])
  expect(await count('repacked/')).toBe(1)
  for (const { digest } of await repository.list()) await expectWhole(digest)
})

test('two at the same time, backups and collections beside them, leave every snapshot whole', async () => {
  await wear()
  for (let round = 0; round < 5; round += 1) {
    await writeFile(join(source, 'goes'), noise(20_000, round + 10))
    await Promise.all([repository.repack(), repository.repack(), take(`b-${round}`), repository.collect()])
    await repository.forget({ keep: { last: 1 } })
    await clock.advance(graceMs / 3)
  }
  await collectAll()
  const snapshots = await repository.list()
  expect(snapshots).toHaveLength(6)
  for (const { digest } of snapshots) await expectWhole(digest)
})

test('one that takes too long, or stands still before its last write, changes nothing', async () => {
  const kept = await wear()
  for (const at of ['blobs/', 'repacked/']) {
    const slow = meanwhile(
      store,
      (key) => key.startsWith(at),
      () => clock.advance(graceMs + 1),
    )
    await using busy = await openRepository(slow, { clock, key })
    await expect(busy.repack()).rejects.toMatchObject({ code: 'BACKUP_OUTDATED' })
    expect(await count('repacked/')).toBe(0)
    await expectWhole(kept.digest)
  }
})

test('a copy of one that was rewritten has its own digest, and is not made twice', async () => {
  const kept = await wear()
  const archive = memoryStore({ clock })
  const first = await repository.copyTo(archive, kept)
  expect(first.digest).toBe(kept.digest)
  await repository.repack()
  expect(await repository.copyTo(archive, kept)).toMatchObject({ digest: kept.digest, copied: 0 })
  const empty = memoryStore({ clock })
  const second = await repository.copyTo(empty, kept)
  expect(second.digest).not.toBe(kept.digest)
  await using copy = await openRepository(empty, { clock, key })
  expect(await copy.list()).toMatchObject([{ digest: second.digest, name: 'n', timeMs: kept.timeMs }])
  await expectWhole(second.digest, empty)
  expect(await copy.copyTo(store, second.digest)).toMatchObject({ digest: kept.digest, copied: 0 })
})

test('a copy that was rewritten where it is, is not sent again', async () => {
  const kept = await wear()
  const archive = memoryStore({ clock })
  await repository.copyTo(archive, kept)
  await using there = await openRepository(archive, { clock, key })
  expect(await there.repack()).toMatchObject({ snapshots: 1 })
  for (let run = 0; run < 3; run += 1) {
    await clock.advance(graceMs + 1)
    await there.collect()
  }
  expect(await repository.copyTo(archive, kept)).toMatchObject({ digest: kept.digest, copied: 0 })
  await expectWhole(kept.digest, archive)
})

test('a copy that comes back after it was forgotten does not follow what was left of it', async () => {
  const kept = await wear()
  const archive = memoryStore({ clock })
  await repository.copyTo(archive, kept)
  await repository.repack()
  await clock.advance(graceMs / 2)
  await repository.forget({ keep: { last: 0 }, allowForgetAll: true })
  await store.put('gc/20260101T000000000Z-x', [Buffer.from('{"version":1,"digests":[]}')])
  const pointer = (await keysOf('repacked/'))[0]!
  await collectAll()
  expect(await count('blobs/')).toBe(0)
  await store.put(pointer, [])
  await using origin = await openRepository(archive, { clock, key })
  await origin.copyTo(store, kept)
  await expectWhole(kept.digest)
})

/** The same store, with something happening once, just before the first write of such a key. */
function meanwhile(inner: BlobStore, when: (key: string) => boolean, act: () => Promise<unknown>): BlobStore {
  let done = false
  return {
    ...inner,
    async put(key, parts, options) {
      if (!done && when(key)) {
        done = true
        await act()
      }
      return inner.put(key, parts, options)
    },
  }
}
