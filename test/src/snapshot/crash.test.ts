import { execFileSync, spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSeededRandom } from '@holdfast/core/testing'
import { directory, folderStore, openRepository, type Repository } from '@holdfast/snapshot'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { CrashPlan } from '../children/snapshot-crash.ts'
import { root } from '../support/workspace.ts'

// SIGKILL at each change of the file system that an operation makes: at every one in the deep form, at a few else.
const deep = process.env['HOLDFAST_DEEP'] === '1'
const seed = Number(process.env['HOLDFAST_SEED'] ?? 1)
const kills = 1
const random = createSeededRandom(seed)
let folder: string

beforeAll(async () => {
  console.log(`seed ${seed}`)
  folder = await mkdtemp(join(tmpdir(), 'holdfast-crash-'))
  for (const state of ['one', 'two', 'three']) {
    const path = join(folder, state)
    await mkdir(join(path, 'sub'), { recursive: true })
    await writeFile(join(path, 'own'), noise(60_000))
    await writeFile(join(path, 'sub/shared'), 'the same in all '.repeat(2_000))
    execFileSync('ln', ['-s', 'own', join(path, 'link')])
    execFileSync('ln', [join(path, 'own'), join(path, 'sub/hard')])
  }
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function noise(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, () => random() * 256))
}

interface Story {
  readonly operation: CrashPlan['operation']
  /** What is done before, in a repository that has a snapshot of `one` and one of `two`. */
  readonly before?: (repository: Repository, path: string) => Promise<void>
  /** How many snapshots there are at least, whenever it dies. */
  readonly kept: number
  /** What is true once it was run again, to its end. */
  readonly after: (repository: Repository, work: string) => Promise<void>
}

const snapshotsOf = async (repository: Repository) =>
  (await repository.list()).map(({ tags }) => tags['from'])

const stories: Record<string, Story> = {
  backup: {
    operation: 'backup',
    kept: 2,
    after: async (repository) => expect((await snapshotsOf(repository)).at(-1)).toBe(join(folder, 'three')),
  },
  forget: {
    operation: 'forget',
    kept: 1,
    after: async (repository) => expect(await snapshotsOf(repository)).toEqual([join(folder, 'two')]),
  },
  mark: {
    operation: 'collect',
    before: async (repository, path) => {
      await repository.forget({ keep: { last: 1 } })
      await age(path, 'blobs/sha256', 5)
    },
    kept: 1,
    after: async (repository) =>
      expect(await repository.collect({ dryRun: true })).toMatchObject({ marked: 0 }),
  },
  delete: {
    operation: 'collect',
    before: async (repository, path) => {
      await repository.forget({ keep: { last: 1 } })
      await age(path, 'blobs/sha256', 5)
      expect((await repository.collect()).marked).toBeGreaterThan(0)
      await age(path, 'gc', 3)
    },
    kept: 1,
    after: async (_, work) => expect(await readdir(join(work, 'repository/gc'))).toEqual([]),
  },
  repack: {
    operation: 'repack',
    before: async (repository) => void (await repository.forget({ keep: { last: 1 } })),
    kept: 1,
    after: async (repository) =>
      expect(await repository.repack({ dryRun: true })).toMatchObject({ packs: 0 }),
  },
  restore: {
    operation: 'restore',
    kept: 2,
    after: async (_, work) => {
      expectSame(join(folder, 'two'), join(work, 'target'))
      // What the dead one left is gone.
      expect((await readdir(work)).filter((name) => name.includes('.restore-'))).toEqual([])
    },
  },
}

test.each(Object.entries(stories))(
  'a %s that is killed at any of its changes loses nothing, and is done by another',
  async (name, story) => {
    const template = join(folder, `template-${name}`)
    await mkdir(join(template, 'target'), { recursive: true })
    await writeFile(join(template, 'target/mine'), 'precious')
    await using repository = await openRepository(folderStore(join(template, 'repository')), {
      graceMs: 3_600_000,
    })
    for (const state of ['one', 'two']) await backup(repository, state)
    await story.before?.(repository, join(template, 'repository'))
    const changes = await die(story, template, Number.MAX_SAFE_INTEGER, 'before')
    expect(changes).toBeGreaterThan(0)
    const all = Array.from({ length: changes }, (_, at) => at + 1)
    const chosen = deep ? all : Array.from({ length: kills }, () => all[Math.floor(random() * all.length)]!)
    for (const change of chosen)
      for (const when of deep ? (['before', 'after'] as const) : (['after'] as const))
        await die(story, template, change, when)
  },
)

/** Runs the operation in a copy of the template until it dies; looks at what is left, then goes on. Returns how many changes it made. */
async function die(story: Story, template: string, change: number, when: CrashPlan['when']): Promise<number> {
  const work = join(folder, 'work')
  await cp(template, work, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true })
  const [target, path] = [join(work, 'target'), join(work, 'repository')]
  const plan: CrashPlan = {
    operation: story.operation,
    repository: path,
    source: join(folder, 'three'),
    target,
    change,
    when,
  }
  const program = join(root, 'test/dist/children/snapshot-crash.js')
  const child = spawnSync(process.execPath, [program, JSON.stringify(plan)], { encoding: 'utf8' })
  if (child.signal !== 'SIGKILL' && child.status !== 0) throw new Error(child.stderr)
  const what = `${story.operation} ${when} change ${change}`
  await expectTarget(work, what)
  await using repository = await openRepository(folderStore(path))
  expect(await expectAllWhole(repository, work), what).toBeGreaterThanOrEqual(story.kept)
  await again(repository, plan)
  await expectAllWhole(repository, work)
  await story.after(repository, work)
  await rm(work, { recursive: true })
  return child.signal === 'SIGKILL' ? change : Number(child.stdout)
}

async function again(repository: Repository, { operation, target }: CrashPlan): Promise<void> {
  if (operation === 'backup') await backup(repository, 'three')
  if (operation === 'forget') await repository.forget({ keep: { last: 1 } })
  if (operation === 'collect') await repository.collect()
  if (operation === 'repack') await repository.repack()
  if (operation === 'restore')
    await repository.restore((await repository.list()).at(-1)!, target, { overwrite: 'replace' })
}

async function expectAllWhole(repository: Repository, work: string): Promise<number> {
  const snapshots = await repository.list()
  for (const snapshot of snapshots) {
    await repository.verify(snapshot, { level: 'data' })
    const restored = join(work, 'restored')
    await repository.restore(snapshot, restored, { fsync: false })
    expectSame(snapshot.tags['from']!, restored)
    await rm(restored, { recursive: true })
  }
  return snapshots.length
}

/** The target is what it was or what it was to be; or, in the instant between two renames, both are beside it. */
async function expectTarget(work: string, what: string): Promise<void> {
  const names = await readdir(work)
  const old = names.find((name) => name.startsWith('target.old-'))
  if (!names.includes('target')) {
    expect(await readdir(join(work, old!)), what).toEqual(['mine'])
    const fresh = names.find((name) => name.startsWith('target.restore-'))
    return expectSame(join(folder, 'two'), join(work, fresh!))
  }
  const found = await readdir(join(work, 'target'))
  if (!found.includes('mine')) expectSame(join(folder, 'two'), join(work, 'target'))
  else expect(found, what).toEqual(['mine'])
}

/** By the system's own tool. */
function expectSame(expected: string, actual: string): void {
  execFileSync('diff', ['-r', '--no-dereference', expected, actual])
}

async function backup(repository: Repository, state: string): Promise<void> {
  const source = join(folder, state)
  await repository.backup(directory(source), { name: 'n', tags: { from: source } })
}

/** Makes files look as if they were written so many hours ago. */
async function age(repository: string, below: string, hours: number): Promise<void> {
  const time = Date.now() / 1_000 - hours * 3_600
  for (const name of await readdir(join(repository, below)))
    await utimes(join(repository, below, name), time, time)
}
