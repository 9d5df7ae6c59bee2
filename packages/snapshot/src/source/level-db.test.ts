import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSeededRandom } from '@holdfast/core/testing'
import { Level } from 'level'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { levelDb, memoryStore, openRepository } from '../index.ts'

const trials = process.env['HOLDFAST_DEEP'] === '1' ? 1_000 : 30
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-leveldb-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

/** Writes batches that each move money between accounts, so that any prefix of them, and nothing else, keeps the sum. */
function startWriter(db: Level<string, string>) {
  const random = createSeededRandom(7)
  const account = (): string => `account:${Math.floor(random() * 500)}`
  const filler = 'x'.repeat(4_000)
  let stopped = false
  let acknowledged = 0
  const ended = run()
  return {
    acknowledged: () => acknowledged,
    stop: () => {
      stopped = true
      return ended
    },
  }

  async function run(): Promise<void> {
    const balances = new Map<string, number>()
    for (let count = 1; !stopped; count += 1) {
      const [from, to] = [account(), account()]
      if (from === to) continue
      const [a, b] = [(balances.get(from) ?? 0) - 1, (balances.get(to) ?? 0) + 1]
      balances.set(from, a)
      balances.set(to, b)
      await db
        .batch()
        .put(from, `${a}:${filler}`)
        .put(to, `${b}:${filler}`)
        .put(`log:${String(count).padStart(9, '0')}`, filler)
        .del(`log:${String(count - 300).padStart(9, '0')}`)
        .put('count', String(count))
        .write()
      acknowledged = count
    }
  }
}

test(`${trials} checkpoints of a database under load each hold a prefix of its writes, and all that was acknowledged`, async () => {
  const live = join(folder, 'live')
  const db = new Level<string, string>(live, { compression: false, writeBufferSize: 256 << 10 })
  await db.open()
  const writer = startWriter(db)
  await using repository = await openRepository(memoryStore())
  try {
    for (let trial = 0; trial < trials; trial += 1) {
      const least = writer.acknowledged()
      const snapshot = await repository.backup(levelDb(live), { name: 'queue' })
      expect(snapshot.state).toBe('complete')
      const target = join(folder, `copy-${trial}`)
      await repository.restore(snapshot, target, { fsync: false })
      await checkCopy(target, least)
      await rm(target, { recursive: true })
    }
  } finally {
    await writer.stop()
    await db.close()
  }
}, 3_600_000)

async function checkCopy(path: string, least: number): Promise<void> {
  const copy = new Level<string, string>(path, { createIfMissing: false })
  await copy.open()
  try {
    const count = Number(await copy.get('count'))
    expect(count).toBeGreaterThanOrEqual(least)
    const logged = await copy.keys({ gt: 'log:', lt: 'log;' }).all()
    const balances = await copy.values({ gt: 'account:', lt: 'account;' }).all()
    const sum = balances.reduce((total, value) => total + Number.parseInt(value, 10), 0)
    expect(sum).toBe(0)
    expect(logged.at(-1)).toBe(`log:${String(count).padStart(9, '0')}`)
  } finally {
    await copy.close()
  }
}

test('the live database is neither locked out nor written to, and side files are not copied', async () => {
  const live = join(folder, 'live')
  const db = new Level<string, string>(live)
  await db.put('a', '1')
  await writeFile(join(live, 'holdfast.format'), 'beside it')
  const before = await readdir(live)
  await using repository = await openRepository(memoryStore())
  const snapshot = await repository.backup(levelDb(live), { name: 'queue' })
  await db.put('b', '2')
  expect(await readdir(live)).toEqual(before)
  for (const name of before) expect((await stat(join(live, name))).nlink).toBe(1)
  const second = new Level<string, string>(live)
  await expect(second.open()).rejects.toMatchObject({ cause: { code: 'LEVEL_LOCKED' } })
  await repository.restore(snapshot, join(folder, 'copy'))
  const copied = await readdir(join(folder, 'copy'))
  expect(copied.sort()).toEqual(before.filter((name) => /^(CURRENT|MANIFEST-|\d+\.)/.test(name)).sort())
  await db.close()
})

test('a folder that is no LevelDB, or a damaged one, is told from one that is', async () => {
  await using repository = await openRepository(memoryStore())
  const backup = () => repository.backup(levelDb(folder), { name: 'queue' })
  await expect(backup()).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' })
  await expect(repository.backup(levelDb(join(folder, 'none')), { name: 'queue' })).rejects.toMatchObject({
    code: 'SOURCE_UNREADABLE',
  })
  const db = new Level<string, string>(folder, { compression: false })
  for (let key = 0; key < 100; key += 1) await db.put(String(key), 'x'.repeat(1_000))
  await db.close()
  const manifest = (await readdir(folder)).find((name) => name.startsWith('MANIFEST'))!
  const bytes = await readFile(join(folder, manifest))
  bytes[10]! ^= 1
  await writeFile(join(folder, manifest), bytes)
  await expect(backup()).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE' })
})
