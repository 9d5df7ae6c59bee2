import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type JournalRecord, openJournal } from '@holdfast/recovery'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { recoverServices } from './services.ts'

// A real file system that fills up. Mounting needs root.
const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0
if (!canMount) console.warn('SKIPPED: a full disk needs root and mount')
let folder: string
let disk: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-full-'))
  disk = join(folder, 'disk')
  await mkdir(disk)
  if (!canMount) return
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'holdfast', disk])
  if (status !== 0) throw new Error(String(stderr))
})
afterAll(async () => {
  if (canMount) spawnSync('umount', [disk])
  await rm(folder, { recursive: true, force: true })
})

const began = (at: number): JournalRecord => ({
  type: 'began',
  step: `step ${at} ${'x'.repeat(at % 90)}`,
  atMs: at,
})

test.skipIf(!canMount)(
  'a journal on a full disk keeps what it acknowledged, and goes on when there is room',
  async () => {
    const path = join(disk, 'journal')
    const journal = await openJournal(path)
    const kept: JournalRecord[] = []
    const write = (from: number, count: number): Promise<unknown> => {
      const records = Array.from({ length: count }, (_, at) => began(from + at))
      return Promise.all(records.map((record) => journal.append(record))).then(() => kept.push(...records))
    }
    await write(0, 100)
    await writeFile(join(disk, 'filler'), Buffer.alloc(300_000)).catch(() => undefined)
    const failing = Array.from({ length: 5 }, (_, at) => write(1_000 * (at + 1), 500))
    for (const result of await Promise.allSettled(failing))
      if (result.status === 'rejected')
        expect(result.reason).toMatchObject({ code: 'JOURNAL_FAILED', cause: { code: 'ENOSPC' } })
    await expect(write(9_000, 500)).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
    await rm(join(disk, 'filler'))
    await write(10_000, 3)
    await journal.close()
    await using again = await openJournal(path)
    expect(await again.read()).toEqual(kept)
    await rm(path)
  },
)

test.skipIf(!canMount)('a recovery whose journal is full comes to its end all the same', async () => {
  await using journal = await openJournal(join(disk, 'second'))
  let records = 0
  const filling = {
    read: () => journal.read(),
    append: async (record: JournalRecord) => {
      records += 1
      if (records === 3) await writeFile(join(disk, 'filler'), Buffer.alloc(300_000)).catch(() => undefined)
      await journal.append({ ...record, padding: 'x'.repeat(8_000) } as unknown as JournalRecord)
    },
  }
  const own = join(folder, 'services')
  await mkdir(own)
  expect((await recoverServices(own, filling)).outcome).toBe('recovered')
  expect((await journal.read()).length).toBeLessThan(records)
})
