import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { crc32c, maskedCrc32c } from './crc32c.ts'
import { readLog } from './log.ts'
import { readManifest } from './manifest.ts'
import { applyEdits, noVersion } from './version.ts'

/** LevelDB's log writer (db/log_writer.cc), for the reader's test. */
function writeLog(records: readonly Uint8Array[]): Buffer {
  const parts: Buffer[] = []
  let at = 0
  for (const record of records)
    for (let start = 0, first = true; first || start < record.length; first = false) {
      let left = 32_768 - (at % 32_768)
      if (left < 7) {
        parts.push(Buffer.alloc(left))
        at += left
        left = 32_768
      }
      const length = Math.min(left - 7, record.length - start)
      const last = start + length === record.length
      const kind = first ? (last ? 1 : 2) : last ? 4 : 3
      const body = Buffer.concat([Buffer.of(kind), record.subarray(start, start + length)])
      const head = Buffer.alloc(6)
      head.writeUInt32LE(maskedCrc32c(body))
      head.writeUInt16LE(length, 4)
      parts.push(head, body)
      at += 7 + length
      start += length
      if (last) break
    }
  return Buffer.concat(parts)
}

function same(some: readonly Uint8Array[], others: readonly Uint8Array[]): boolean {
  return some.length === others.length && some.every((bytes, at) => Buffer.compare(bytes, others[at]!) === 0)
}

test('crc32c of the standard check value', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
})

test('what was written is read, and any prefix gives the complete records of it', () => {
  const record = fc.integer({ min: 0, max: 70_000 }).map((length) => Buffer.alloc(length, length & 0xff))
  fc.assert(
    fc.property(
      fc.array(record, { maxLength: 4 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (records, share) => {
        const log = writeLog(records)
        const whole = readLog(log)
        expect([whole.validBytes, whole.end, same(whole.records, records)]).toEqual([
          log.length,
          'clean',
          true,
        ])
        const cut = readLog(log.subarray(0, Math.floor(log.length * share)))
        expect(cut.end).not.toBe('damaged')
        expect(cut.records).toEqual(records.slice(0, cut.records.length))
        expect(readLog(log.subarray(0, cut.validBytes)).records).toEqual(cut.records)
        const rest = readLog(log, cut.validBytes)
        expect([rest.validBytes, rest.end, same([...cut.records, ...rest.records], records)]).toEqual([
          log.length,
          'clean',
          true,
        ])
      },
    ),
    { numRuns: 25 },
  )
})

test('a flipped bit ends the records', () => {
  const log = writeLog([Buffer.from('one'), Buffer.from('two')])
  log[8]! ^= 1
  expect(readLog(log)).toEqual({ records: [], validBytes: 0, end: 'damaged' })
})

test('edits add and delete tables; one that moves a table keeps it', () => {
  const add = (level: number, number: number, size: number) => [7, level, number, size, 1, 97, 1, 98]
  const first = Buffer.from([1, 1, 120, 2, 5, 3, 9, 4, 0, ...add(0, 6, 100), ...add(0, 7, 50)])
  const second = Buffer.from([2, 8, 5, 1, 1, 97, 6, 0, 6, 6, 0, 7, ...add(1, 7, 50), 9, 3])
  expect(applyEdits(applyEdits(noVersion, [first]), [second])).toEqual({
    logNumber: 8,
    previousLogNumber: 3,
    tables: new Map([[7, 50]]),
  })
  expect(() => applyEdits(noVersion, [Buffer.from([8])])).toThrow(RangeError)
  expect(() => applyEdits(noVersion, [Buffer.from([1, 9, 120])])).toThrow(RangeError)
})

test('a MANIFEST that was read before is read on from there', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-manifest-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const table = (number: number): Buffer => Buffer.from([7, 0, number, 100, 1, 97, 1, 122])
  const file = join(folder, 'MANIFEST-000002')
  await writeFile(join(folder, 'CURRENT'), 'MANIFEST-000002\n')
  const first = writeLog([table(5)])
  const all = writeLog([table(5), table(6), table(7)])
  await writeFile(file, all.subarray(0, first.length + 9)) // the second one is being written
  const before = await readManifest(folder, false)
  expect([...before!.version.tables.keys()]).toEqual([5])
  await writeFile(file, Buffer.concat([Buffer.alloc(first.length), all.subarray(first.length)]))
  const after = await readManifest(folder, false, before)
  expect([...after!.version.tables.keys()]).toEqual([5, 6, 7])
  expect(after!.bytes).toEqual(all)
  expect(await readManifest(folder, false)).toBeUndefined() // what was overwritten is not looked at again
})
