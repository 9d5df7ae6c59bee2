import { appendFile, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { reportOf } from '../report.ts'
import { formatReport } from '../table.ts'
import { journalCompliance } from '../testing/compliance.ts'
import { type FileJournal, openJournal, readJournal } from './file.ts'
import { decodeJournal, encodeHeader, encodeRecord } from './format.ts'
import type { JournalRecord } from './journal.ts'
import { createMemoryJournal } from './memory.ts'

const golden = fileURLToPath(new URL('./golden', import.meta.url))
let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-journal-'))
  path = join(folder, 'sub', 'recovery.journal')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const began = (step: string): JournalRecord => ({ type: 'began', step, atMs: 1 })

describe('in memory', () => {
  type Memory = ReturnType<typeof createMemoryJournal>
  journalCompliance({
    ...{ test, expect, create: async () => createMemoryJournal() },
    reopen: async (journal) => createMemoryJournal((journal as Memory).records),
  })
})

describe('in a file', () => {
  journalCompliance({
    ...{ test, expect, create: opened },
    reopen: async (journal) => {
      await (journal as FileJournal).close()
      return opened()
    },
  })

  async function opened(): Promise<FileJournal> {
    const journal = await openJournal(path)
    onTestFinished(() => journal.close())
    return journal
  }
})

test('a file gives back what was appended, to the next one that opens it', async () => {
  for (const name of ['a', 'b', 'c']) {
    await using journal = await openJournal(path)
    await journal.append(began(name))
  }
  await using journal = await openJournal(path)
  expect(await journal.read()).toEqual(['a', 'b', 'c'].map(began))
  expect((await stat(path)).mode & 0o077).toBe(0)
})

test('the torn end of a last write is cut off, at every byte, and written over', async () => {
  const whole = encodeHeader() + encodeRecord(began('a'))
  const torn = Buffer.from(encodeRecord(began('torn')))
  await openJournal(path).then((journal) => journal.close())
  for (let bytes = 0; bytes < torn.length; bytes += 1) {
    await writeFile(path, Buffer.concat([Buffer.from(whole), torn.subarray(0, bytes)]))
    await using journal = await openJournal(path)
    await journal.append(began('b'))
    expect(await journal.read()).toEqual([began('a'), began('b')])
    expect(await readFile(path, 'utf8')).toBe(whole + encodeRecord(began('b')))
  }
})

test('a header that was torn is written again; another file is left as it is', async () => {
  await openJournal(path).then((journal) => journal.close())
  await truncate(path, 7)
  await openJournal(path).then((journal) => journal.close())
  expect(await readFile(path, 'utf8')).toBe(encodeHeader())
  for (const other of ['root:x:0:0', 'root:x:0:0:root:/root:/bin/sh\nnobody:x:1\n']) {
    await writeFile(path, other)
    await expect(openJournal(path)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' })
    expect(await readFile(path, 'utf8')).toBe(other)
  }
  expect(await readdir(join(folder, 'sub'))).toEqual(['recovery.journal'])
})

test('damage before the end is told with its line, and a later format is refused', async () => {
  const lines = [encodeHeader(), encodeRecord(began('a')), encodeRecord(began('b'))]
  await openJournal(path).then((journal) => journal.close())
  await writeFile(path, lines.join('').replace('"a"', '"x"'))
  await expect(openJournal(path)).rejects.toMatchObject({
    code: 'JOURNAL_CORRUPT',
    fields: { path, line: 2 },
  })
  const later = { format: 'holdfast-recovery-journal', version: 2 } as never
  await writeFile(path, encodeRecord(later))
  await expect(openJournal(path)).rejects.toMatchObject({
    code: 'JOURNAL_FORMAT',
    fields: { path, version: 2 },
  })
})

test('no flipped bit goes unseen, but in the last record, which is then left out', () => {
  const records = ['a', 'b', 'c'].map(began)
  const bytes = Buffer.from(encodeHeader() + records.map(encodeRecord).join(''))
  const lastFrom = bytes.length - encodeRecord(records[2]!).length
  fc.assert(
    fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
      const flipped = Buffer.from(bytes)
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      if (bit >> 3 >= lastFrom) expect(decodeJournal(path, flipped).records).toEqual(records.slice(0, 2))
      else expect(() => decodeJournal(path, flipped)).toThrow()
    }),
    { numRuns: 500 },
  )
})

test('one process at a time has it open; the lock of a dead one is taken over', async () => {
  const journal = await openJournal(path)
  await expect(openJournal(path)).rejects.toMatchObject({
    code: 'JOURNAL_LOCKED',
    fields: { pid: process.pid },
  })
  await journal.close()
  await expect(journal.append(began('late'))).rejects.toMatchObject({ code: 'JOURNAL_CLOSED' })
  await writeFile(
    `${path}.lock`,
    JSON.stringify({
      host: (await import('node:os')).hostname(),
      pid: 4_194_305,
      startedTicks: '1',
      nonce: 'x',
    }),
  )
  await using second = await openJournal(path)
  expect(await second.read()).toEqual([])
  expect((await readdir(join(folder, 'sub'))).sort()).toEqual(['recovery.journal', 'recovery.journal.lock'])
})

test('a close lets what was appended before it be written', async () => {
  const journal = await openJournal(path)
  const first = journal.append(began('a'))
  await new Promise((resolve) => setImmediate(resolve)) // its write is under way, and the next ones wait
  const others = Promise.all([journal.append(began('b')), journal.append(began('c'))])
  await journal.close()
  await Promise.all([first, others])
  expect(await readJournal(path)).toEqual(['a', 'b', 'c'].map(began))
})

test('is read without being opened, also while it is, and without its torn end', async () => {
  await using journal = await openJournal(path)
  await journal.append(began('a'))
  await appendFile(path, encodeRecord(began('torn')).slice(0, 20))
  expect(await readJournal(path)).toEqual([began('a')])
  await expect(readJournal(`${path}.none`)).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
})

test('the lock of another host, or one that nobody can read, is left alone', async () => {
  await openJournal(path).then((journal) => journal.close())
  for (const lock of ['rubbish', JSON.stringify({ host: 'elsewhere', pid: 4_194_305, startedTicks: '1' })]) {
    await writeFile(`${path}.lock`, lock)
    await expect(openJournal(path)).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' })
    expect(await readFile(`${path}.lock`, 'utf8')).toBe(lock)
  }
})

test('of many that open it at once, one gets it', async () => {
  const opened = await Promise.allSettled(Array.from({ length: 20 }, () => openJournal(path)))
  const journals = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  expect(journals).toHaveLength(1)
  await journals[0]!.close()
})

test('journals of format 1 are read by this release: a recovery that was resumed, and a drill', async () => {
  const reports = await Promise.all(
    ['v1', 'v1-drill'].map(async (version) => {
      const { records } = decodeJournal(version, await readFile(join(golden, `${version}.journal`)))
      return formatReport(reportOf(records)!)
    }),
  )
  expect(reports.join('\n\n')).toMatchInlineSnapshot(`
    "recovery 20251231T235955Z-a087ea, declared 2025-12-31T23:59:55.000Z, resumed 1 time: recovered

    tier  RTO         forecast  measured  verdict
    1     1.0 s       5.4 s     5.4 s     missed, 4.4 s late
    2     10.0 s      5.5 s     5.5 s     met, 4.5 s to spare
    3     1 min 40 s  5.6 s     5.7 s     met, 1 min 34 s to spare

    step  tier  verify  start   healthy  traffic  ready at  state
    db    1     20 ms   310 ms  40 ms    10 ms    5.4 s     ready, found started
    auth  2     0 ms    110 ms  0 ms     0 ms     5.5 s     ready
    web   3     0 ms    100 ms  0 ms     0 ms     5.7 s     ready

    drill 20260101T000000Z-00b349, declared 2026-01-01T00:00:00.690Z: recovered

    tier  RTO         forecast  measured  verdict
    1     1.0 s       360 ms    390 ms    met, 610 ms to spare
    2     10.0 s      460 ms    520 ms    met, 9.5 s to spare
    3     1 min 40 s  560 ms    640 ms    met, 1 min 39 s to spare

    step  tier  verify  start   healthy  traffic  ready at  state
    db    1     20 ms   310 ms  40 ms    –        390 ms    ready
    auth  2     0 ms    100 ms  0 ms     –        520 ms    ready
    web   3     0 ms    100 ms  0 ms     –        640 ms    ready"
  `)
})

test('what cannot be opened is told', async () => {
  await appendFile(join(folder, 'file'), '')
  await expect(openJournal(join(folder, 'file', 'journal'))).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
  await expect(openJournal(folder)).rejects.toMatchObject({ code: 'JOURNAL_FAILED' })
})
