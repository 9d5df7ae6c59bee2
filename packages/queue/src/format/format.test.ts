import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeMeta, readMeta } from './meta.ts'
import { type Entry, type PageHeader, type PageStamp, readHeader, readPage } from './page.ts'
import { createState, encodeState, readState } from './page-state.ts'
import { createPageBuffers, entryBytes, PageWriter } from './page-writer.ts'
import { encodeAttempts, encodeRecord, readAttempts, readRecord } from './record.ts'
import { xxHash32 } from './xxhash32.ts'

const place = { queue: 3, lane: 0x19, firstSeq: 2 ** 40 + 5 }
const stamp = {
  ...place,
  epoch: 0xfedcba9876543210n,
  bytesBefore: 77,
  writtenAt: 1_800_000_000_000,
  head: 12,
}
const entry = fc.record({
  payload: fc.uint8Array({ maxLength: 40 }),
  expiresAt: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 2 ** 47 })),
  group: fc.option(fc.string({ maxLength: 8 }), { nil: undefined }),
})
const runs = { numRuns: process.env['HOLDFAST_DEEP'] ? 5_000 : 200 }

test('a page reads as it was written', () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 20 }), (entries) => {
      const page = writePage(stamp, entries)
      const header = headerOf(page)
      expect(header).toMatchObject({ ...stamp, count: entries.length })
      expect(page.length).toBe(54 + entries.reduce((sum, one) => sum + entryBytes(one), 0))
      const body = readPage(page, header)
      expect(body.isWhole).toBe(true)
      expect(entries.map((_, index) => plain(body.entry(index)))).toEqual(entries.map(plain))
    }),
    runs,
  )
})

test('one flipped bit never changes a payload: its message is missing, and no other one', () => {
  const flip = fc.record({ at: fc.nat(), bit: fc.integer({ min: 0, max: 7 }) })
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 6 }), flip, (entries, { at, bit }) => {
      const page = writePage(stamp, entries)
      page[at % page.length]! ^= 1 << bit
      const header = readHeader(page, place)
      if (!header || 'newerVersion' in header) return
      const body = readPage(page, header)
      const read = entries.map((_, index) => body.entry(index))
      const missing = read.filter((one) => one === undefined).length
      for (const [index, one] of read.entries()) if (one) expect(plain(one)).toEqual(plain(entries[index]))
      expect(missing).toBeLessThanOrEqual(1)
    }),
    runs,
  )
})

test('a page under another key, or of a later version, is told apart', () => {
  const page = writePage(stamp, [{ payload: Buffer.from('x'), expiresAt: 0, group: undefined }])
  expect(readHeader(page, { ...place, firstSeq: place.firstSeq + 1 })).toBeUndefined()
  expect(readHeader(page, { ...place, lane: 0x18 })).toBeUndefined()
  expect(readHeader(page, { ...place, queue: 4 })).toBeUndefined()
  page[0] = 3
  // A version byte that is merely damaged is no later version.
  expect(readHeader(page, place)).toBeUndefined()
  page.writeUInt32BE(crc32(page.subarray(8, 54 + 8), crc32(page.subarray(0, 4))), 4)
  expect(readHeader(page, place)).toEqual({ newerVersion: 3 })
})

test('a state reads as it was written, and not once it is damaged', () => {
  const count = 256
  const state = createState(count)
  for (let index = 0; index < count; index += 3) state.finished[index] = 1
  for (let index = 0; index < 100; index++) state.attempts[index] = 1
  state.attempts[1] = 65_535
  state.errors.set(4, 'größer')
  const bytes = encodeState({ ...stamp, count }, state)
  const read = readState(bytes, { ...stamp, count })!
  expect(read.finished).toEqual(state.finished)
  expect([read.attempts[1], read.attempts[4], read.attempts[99], read.attempts[100]]).toEqual([
    65_535, 1, 1, 0,
  ])
  expect(read.errors).toEqual(new Map([[4, 'größer']]))
  expect(readState(bytes, { ...stamp, count, epoch: 1n })).toBeUndefined()
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 0x10
    const result = readState(damaged, { ...stamp, count })
    expect(result).toBeUndefined()
  }
})

test('a record reads as it was written, and not once it is damaged', () => {
  const at = { time: 1_800_000_000_123, lane: 0x49, seq: 9 }
  const storage = { queue: 3, storedIn: 0x60 }
  const record = {
    ...at,
    ...{ epoch: 5n, writtenAt: 1_800_000_000_000, attempts: 3, priority: 2, error: 'no', group: 'g' },
    ...{ expiresAt: 0, payload: Buffer.from('payload') },
  }
  const bytes = encodeRecord(storage, record)
  expect(readRecord(bytes, storage, at)).toEqual(record)
  expect(readRecord(bytes, storage, { ...at, seq: 10 })).toBeUndefined()
  for (let index = 0; index < bytes.length; index++) {
    const damaged = Buffer.from(bytes)
    damaged[index]! ^= 0x01
    expect(readRecord(damaged, storage, at)).toBeUndefined()
  }
  expect(readAttempts(encodeAttempts(at, 7), at)).toBe(7)
  expect(readAttempts(encodeAttempts(at, 7), { ...at, seq: 10 })).toBeUndefined()
})

test('the meta record reads as it was written', () => {
  const meta = {
    ...{ clean: true, epoch: 2n ** 63n, queueTime: 1_800_000_000_000 },
    lanes: new Map([[0x19, { next: 2 ** 41, bytes: 2 ** 42, head: 7 }]]),
  }
  const bytes = encodeMeta(meta)
  expect(readMeta(bytes)).toEqual(meta)
  bytes[9]! ^= 1
  expect(readMeta(bytes)).toBeUndefined()
})

test('the checksum of entries is xxHash32', () => {
  const hashOf = (text: string): number => {
    const bytes = Uint8Array.from(Buffer.from(`-${text}`))
    return xxHash32(new DataView(bytes.buffer), 1, bytes.length) >>> 0
  }
  expect(hashOf('')).toBe(0x02cc5d05)
  expect(hashOf('abc')).toBe(0x32d153ff)
  expect(hashOf('Nobody inspects the spammish repetition')).toBe(0xe2293b2f)
})

// Written by the releases that wrote these versions. Never write them anew: every later release must read them.
const golden = Object.assign({}, ...['v1', 'v2'].map(readGolden)) as Record<string, Buffer>

test.each(['v1.page', 'v2.page'])('%s stays readable, and what is left of it when it is damaged', (name) => {
  const page = golden[name]!
  const header = headerOf(page)
  expect(header).toEqual({ ...stamp, count: 2, payloadBytes: 11 })
  const first = plain({ payload: Buffer.from('first'), expiresAt: 0, group: undefined })
  const second = plain({ payload: Buffer.from('second'), expiresAt: 1_900_000_000_000, group: 'g' })
  const whole = readPage(page, header)
  expect([plain(whole.entry(0)), plain(whole.entry(1))]).toEqual([first, second])
  const damaged = Buffer.from(page)
  damaged[page.length - 1]! ^= 1
  const body = readPage(damaged, headerOf(damaged))
  expect([plain(body.entry(0)), plain(body.entry(1))]).toEqual([first, undefined])
})

test('version 1 of states and records stays readable', () => {
  const [page, state, record, meta] = ['page', 'state', 'record', 'meta'].map((part) => golden[`v1.${part}`])
  const header = headerOf(page!)
  expect(readState(state!, header)).toEqual({
    finished: Uint8Array.of(1, 0),
    attempts: Uint16Array.of(1, 2),
    released: new Set(),
    errors: new Map([[1, 'no']]),
  })
  const at = { time: 1_800_000_000_123, lane: 0x49, seq: 9 }
  expect(readRecord(record!, { queue: 3, storedIn: 0x60 }, at)).toMatchObject({
    attempts: 3,
    error: 'no',
    group: 'g',
  })
  expect(readMeta(meta!)).toEqual({
    ...{ clean: true, epoch: 5n, queueTime: 1_800_000_000_000 },
    lanes: new Map([[0x19, { next: 7, bytes: 77, head: 3 }]]),
  })
})

function writePage(stamp: PageStamp, entries: readonly Entry[]): Buffer {
  const writer = new PageWriter(createPageBuffers().take(0))
  for (const entry of entries) {
    expect(writer.hasRoomFor(entryBytes(entry))).toBe(true)
    writer.add(entry)
  }
  return writer.close(stamp).bytes
}

/** Its parts by name, such as `v1.page`. */
function readGolden(version: string): Record<string, Buffer> {
  const path = new URL(`golden/${version}.json`, import.meta.url)
  const parts = JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>
  return Object.fromEntries(
    Object.entries(parts).map(([name, hex]) => [`${version}.${name}`, Buffer.from(hex, 'hex')]),
  )
}

function headerOf(page: Buffer): PageHeader {
  const header = readHeader(page, place)
  if (!header || 'newerVersion' in header) throw new Error('no header')
  return header
}

function plain(one: Entry | undefined): unknown {
  return one && { ...one, payload: Buffer.from(one.payload).toString('hex') }
}
