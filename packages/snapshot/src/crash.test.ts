import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BlobStore, directory, memoryStore, openRepository, type Repository } from './index.ts'

const graceMs = 60_000
let folder: string
let clock: FakeClock

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-crash-'))
  clock = createFakeClock()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** A store whose process dies at its n-th change: that one has happened or not, and no later one does. */
function dyingAt(inner: BlobStore, change: number, happened: boolean): BlobStore & { changes(): number } {
  let changes = 0
  const step = async <T>(act: () => Promise<T>): Promise<T> => {
    changes += 1
    if (changes > change || (changes === change && !happened)) throw new Error('died')
    const result = await act()
    if (changes === change) throw new Error('died')
    return result
  }
  return {
    ...inner,
    put: (key, parts, options) => step(() => inner.put(key, parts, options)),
    delete: (key, options) => step(() => inner.delete(key, options)),
    changes: () => changes,
  }
}

async function state(seed: number): Promise<string> {
  const path = join(folder, `state-${seed}`)
  await mkdir(path, { recursive: true })
  const random = createSeededRandom(seed)
  await writeFile(join(path, 'own'), Buffer.from(Array.from({ length: 30_000 }, () => random() * 256)))
  await writeFile(join(path, 'shared'), 'the same in all'.repeat(100))
  return path
}

/** Every snapshot that is listed can be restored, and is what it was made from. */
async function checkAll(repository: Repository): Promise<number> {
  const snapshots = await repository.list()
  for (const { digest, tags } of snapshots) {
    await repository.verify(digest, { level: 'data' })
    const target = join(folder, 'target')
    await repository.restore(digest, target, { fsync: false })
    const [is, was] = await Promise.all(
      [target, join(folder, tags['from']!)].map((at) => readFile(join(at, 'own'))),
    )
    expect(is!.equals(was!)).toBe(true)
    await rm(target, { recursive: true })
  }
  return snapshots.length
}

/** Runs a story on a store that dies at each of its changes in turn, then goes on with a new process. */
async function everyCrash(
  story: (repository: Repository) => Promise<void>,
  after: (repository: Repository, whole: boolean) => Promise<void>,
): Promise<number> {
  for (let change = 1; ; change += 1)
    for (const happened of [false, true]) {
      const store = memoryStore({ clock })
      await using first = await openRepository(store, { clock, graceMs })
      for (const seed of [1, 2]) {
        await first.backup(directory(await state(seed)), { name: 'n', tags: { from: `state-${seed}` } })
        await clock.advance(1_000)
      }
      const dying = dyingAt(store, change, happened)
      await using doomed = await openRepository(dying, { clock })
      const whole = await story(doomed).then(
        () => true,
        (error: Error) => {
          expect(error.message).toBe('died')
          return false
        },
      )
      await using next = await openRepository(store, { clock })
      await after(next, whole)
      if (whole) return change - 1
    }
}

test('a crash at any write of a backup leaves all earlier snapshots, and the next backup goes on', async () => {
  const path = await state(3)
  const take = (repository: Repository) =>
    repository.backup(directory(path), { name: 'n', tags: { from: 'state-3' } })
  const crashes = await everyCrash(
    async (repository) => void (await take(repository)),
    async (next) => {
      expect(await checkAll(next)).toBeGreaterThanOrEqual(2)
      await take(next)
      await checkAll(next)
    },
  )
  expect(crashes).toBeGreaterThanOrEqual(5) // pack, index, config, manifest, ref
})

test('a crash at any change of forget, mark and delete loses nothing that is kept', async () => {
  const crashes = await everyCrash(
    async (repository) => {
      await repository.forget({ keep: { last: 1 } })
      for (let run = 0; run < 3; run += 1) {
        await clock.advance(graceMs + 1)
        await repository.collect()
      }
    },
    async (next) => {
      expect(await checkAll(next)).toBeGreaterThanOrEqual(1)
      await next.forget({ keep: { last: 1 } })
      for (let run = 0; run < 3; run += 1) {
        await clock.advance(graceMs + 1)
        await next.collect()
      }
      expect(await checkAll(next)).toBe(1)
      const marked = await next.collect({ dryRun: true })
      expect(marked).toMatchObject({ marked: 0, deleted: 0 })
    },
  )
  expect(crashes).toBeGreaterThanOrEqual(5) // ref, list, config, manifest, list
})

test('a crash at any change of repacking loses nothing, and another call goes on', async () => {
  const crashes = await everyCrash(
    async (repository) => {
      await repository.forget({ keep: { last: 1 } })
      await repository.repack()
    },
    async (next) => {
      expect(await checkAll(next)).toBeGreaterThanOrEqual(1)
      await next.forget({ keep: { last: 1 } })
      await next.repack()
      expect(await checkAll(next)).toBe(1)
      for (let run = 0; run < 3; run += 1) {
        await clock.advance(graceMs + 1)
        await next.collect()
      }
      expect(await checkAll(next)).toBe(1)
      expect(await next.repack({ dryRun: true })).toMatchObject({ packs: 0 })
      expect(await next.collect({ dryRun: true })).toMatchObject({ marked: 0, deleted: 0 })
    },
  )
  expect(crashes).toBeGreaterThanOrEqual(5) // ref, pack, index, manifest, pointer
})

test('sixteen writers on one name at the same time all succeed, each with its own', async () => {
  const store = memoryStore({ clock })
  const paths = await Promise.all(Array.from({ length: 16 }, (_, seed) => state(seed + 10)))
  const taken = await Promise.all(
    paths.map(async (path, writer) => {
      await using repository = await openRepository(store, { clock, graceMs })
      return await repository.backup(directory(path), { name: 'n', tags: { from: `state-${writer + 10}` } })
    }),
  )
  await using repository = await openRepository(store, { clock })
  expect(new Set(taken.map(({ digest }) => digest)).size).toBe(16)
  expect(await checkAll(repository)).toBe(16)
})
