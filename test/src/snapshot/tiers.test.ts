import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { ociStore } from '@holdfast/oci'
import { startMemoryRegistry } from '@holdfast/oci/testing'
import { s3Store } from '@holdfast/s3'
import { startMemoryS3 } from '@holdfast/s3/testing'
import { type BlobStore, directory, memoryStore, openRepository, type Repository } from '@holdfast/snapshot'
import { afterEach, beforeEach, expect, test } from 'vitest'

// Two tiers, over a year and a half: what is older than 90 days leaves the host's own store for an archive.

const dayMs = 86_400_000
const everyDays = 45
const names = ['edge-7/log', 'edge-7/state']
let folder: string
let clock: FakeClock

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-tiers-'))
  clock = createFakeClock()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('a bucket is the archive: 90 days hot, 365 days there, then gone', async () => {
  await using server = await startMemoryS3({ clock })
  const store = s3Store({ ...server, clock })
  const { hot, archive } = await liveFor(540, store, async (repository) => {
    await repository.forget({ keep: { within: '365d' } })
    await repository.collect()
  })
  expect(await agesOf(hot)).toEqual({ youngest: 0, oldest: 45, count: 2 })
  // Ages count from the newest of a name in that store, which came there at 90 days.
  expect(await agesOf(archive)).toEqual({ youngest: 90, oldest: 450, count: 9 })
  const packs = [...server.objects.keys()].filter((key) => key.startsWith('blobs/')).length
  expect(packs).toBeLessThan(names.length * 11 * 4) // Those of what was forgotten are deleted.
  await expectRestorable(hot)
  await expectRestorable(archive)
}, 60_000)

test('a registry is the archive: it has its own retention', async () => {
  await using registry = await startMemoryRegistry({ authentication: 'bearer' })
  const store = ociStore(`${registry.url}/edge/archive`, { credentials: registry.credentials, clock })
  const { hot, archive } = await liveFor(180, store, async () => {})
  const forgetting = archive.forget({ keep: { last: 1 } })
  await expect(forgetting).rejects.toMatchObject({ code: 'STORE_UNSUPPORTED' })
  expect(await agesOf(hot)).toEqual({ youngest: 0, oldest: 45, count: 2 })
  expect(await agesOf(archive)).toEqual({ youngest: 90, oldest: 180, count: 3 })
  await expectRestorable(archive)
}, 60_000)

test('what cannot be archived is not forgotten', async () => {
  const inner = memoryStore({ clock })
  let full = true
  const archive: BlobStore = {
    ...inner,
    put: async (...args) => {
      if (full) throw new Error('the archive is full')
      return inner.put(...args)
    },
  }
  await using hot = await openRepository(memoryStore({ clock }), { clock })
  for (let day = 0; day < 3; day += 1) {
    await backUp(hot, 'edge-7/log', day)
    await clock.advance(dayMs)
  }
  const policy = { keep: { last: 1 }, archive }
  await expect(hot.forget(policy)).rejects.toThrow('the archive is full')
  expect((await hot.list()).length).toBe(3)
  full = false
  expect((await hot.forget({ ...policy, dryRun: true })).forgotten.length).toBe(2)
  expect((await hot.list()).length).toBe(3)
  await hot.forget(policy)
  expect((await hot.list()).length).toBe(1)
  await using there = await openRepository(archive, { clock, create: false })
  expect((await there.list()).length).toBe(2)
  await expect(hot.forget({ keep: { last: 1 }, archive: {} as BlobStore })).rejects.toThrow('archive')
})

/** Backs up both names every so many days, with the archive's own policy after each. */
async function liveFor(days: number, store: BlobStore, prune: (archive: Repository) => Promise<void>) {
  const hot = await openRepository(memoryStore({ clock }), { clock })
  let archive: Repository | undefined
  for (let day = 0; day <= days; day += everyDays) {
    if (day > 0) await clock.advance(everyDays * dayMs)
    for (const name of names) await backUp(hot, name, day)
    const { forgotten } = await hot.forget({ keep: { within: '90d' }, archive: store })
    await hot.collect()
    if (forgotten.length > 0) archive ??= await openRepository(store, { clock, create: false })
    if (archive) await prune(archive)
  }
  return { hot, archive: archive! }
}

async function backUp(repository: Repository, name: string, day: number): Promise<void> {
  await writeFile(join(folder, 'file'), contentOf(name, day))
  await rm(join(folder, 'restored'), { recursive: true, force: true })
  await repository.backup(directory(folder), { name, tags: { day: String(day) }, forceRead: true })
}

function contentOf(name: string, day: number): string {
  return `${name} on day ${day}\n`.repeat(1_000)
}

/** Of each name's snapshots, in days. */
async function agesOf(repository: Repository) {
  const ages = await Promise.all(
    names.map(async (name) => {
      const found = await repository.list({ name })
      const days = found.map(({ timeMs }) => Math.round((clock.wall() - timeMs) / dayMs))
      return { youngest: Math.min(...days), oldest: Math.max(...days), count: days.length }
    }),
  )
  expect(ages[1]).toEqual(ages[0])
  return ages[0]
}

async function expectRestorable(repository: Repository): Promise<void> {
  const all = await repository.list()
  for (const snapshot of [...all.slice(0, 2), ...all.slice(-2)]) {
    const target = join(folder, 'restored')
    await repository.verify(snapshot, { level: 'data' })
    await repository.restore(snapshot, target, { overwrite: 'replace', fsync: false })
    const content = await readFile(join(target, 'file'), 'utf8')
    expect(content).toBe(contentOf(snapshot.name, Number(snapshot.tags['day'])))
  }
}
