import { crc32 } from 'node:zlib'
import { xxHash32 } from './xxhash32.ts'

/**
 * A page: many messages in one LevelDB value, version 2.
 *
 *    0  version u8, 0 u8, count u16
 *    4  checksum u32 of header and table, all but this field
 *    8  epoch u64: drawn by the open that wrote it
 *   16  queue u16, lane u8, 0 u8
 *   20  firstSeq u48
 *   26  bytesBefore u48: payload bytes ever put in this lane before this page
 *   32  writtenAt u48: queue time in milliseconds
 *   38  0 u32
 *   42  payloadBytes u48 in all
 *   48  head u48: the lane's first page when this one was written, where a reader may start
 *   54  table: per entry, length u32 and checksum u32
 *       entries, each `flags u8`, what the flags announce, payload
 *
 * The checksum of the header is CRC-32. Those in the table, so that one damaged
 * entry does not take the rest of its page along, are xxHash32: a CRC-32 of each
 * takes a sixth of the time of an enqueue. Version 1 had that, and one of all entries at 38.
 */
export const pageVersion = 2
export const maxPageMessages = 256
export const maxPageBytes = 65_536
export const headerBytes = 54
export const rowBytes = 8

export const hasExpiry = 1
export const hasGroup = 2

/** What is stored about one message. */
export interface Entry {
  payload: Uint8Array
  /** Queue time after which it is dropped; 0 for never. */
  expiresAt: number
  group: string | undefined
}

export interface PagePlace {
  queue: number
  lane: number
  firstSeq: number
}

/** What a page says about itself beside its messages. */
export interface PageStamp extends PagePlace {
  epoch: bigint
  bytesBefore: number
  writtenAt: number
  /** At most the first sequence number that is still on disk. */
  head: number
}

export interface PageHeader extends PageStamp {
  count: number
  payloadBytes: number
}

export interface PageBody extends PageHeader {
  /** Whether all its entries are as they were written. */
  readonly isWhole: boolean
  /** The bytes that one entry takes, damaged or not. */
  entryLength(index: number): number
  /** Reads one entry; undefined if its checksum does not match. */
  entry(index: number): Entry | undefined
}

/** Reads a page's header; undefined if it is damaged or not the page of this place. A newer version throws nothing: its number is the result. */
export function readHeader(
  page: Buffer,
  place: PagePlace,
): PageHeader | { newerVersion: number } | undefined {
  if (page.length < headerBytes) return undefined
  const count = page.readUInt16BE(2)
  const bodyStart = headerBytes + count * rowBytes
  if (page.length < bodyStart || headerChecksum(page, bodyStart) !== page.readUInt32BE(4)) return undefined
  if (page[0]! > pageVersion) return { newerVersion: page[0]! }
  if (page[0] === 0 || count === 0 || count > maxPageMessages) return undefined
  const isPlace =
    page.readUInt16BE(16) === place.queue &&
    page[18] === place.lane &&
    page.readUIntBE(20, 6) === place.firstSeq
  if (!isPlace) return undefined
  return {
    ...place,
    epoch: page.readBigUInt64BE(8),
    count,
    bytesBefore: page.readUIntBE(26, 6),
    writtenAt: page.readUIntBE(32, 6),
    payloadBytes: page.readUIntBE(42, 6),
    head: page.readUIntBE(48, 6),
  }
}

/** Makes the entries of a page readable. `trusted` skips the checksums of what was encoded a moment ago. */
export function readPage(page: Buffer, header: PageHeader, trusted = false): PageBody {
  const bodyStart = headerBytes + header.count * rowBytes
  const numbers = new DataView(page.buffer, page.byteOffset, page.byteLength)
  const ends = new Uint32Array(header.count + 1)
  ends[0] = bodyStart
  for (let index = 0; index < header.count; index++)
    ends[index + 1] = ends[index]! + numbers.getUint32(headerBytes + index * rowBytes)
  const isWhole = trusted || isWholeBody()
  return { ...header, isWhole, entry, entryLength: (index) => ends[index + 1]! - ends[index]! }

  function entry(index: number): Entry | undefined {
    return isWhole || isIntact(index) ? readEntry(page, ends[index]!, ends[index + 1]!) : undefined
  }

  function isWholeBody(): boolean {
    for (let index = 0; index < header.count; index++) if (!isIntact(index)) return false
    return ends[header.count] === page.length
  }

  function isIntact(index: number): boolean {
    const start = ends[index]!
    const end = ends[index + 1]!
    if (end > page.length) return false
    const checksum = page[0] === 1 ? crc32(page.subarray(start, end)) | 0 : xxHash32(numbers, start, end)
    return checksum === numbers.getInt32(headerBytes + index * rowBytes + 4)
  }
}

/** Covers header and table, all but its own field. */
export function headerChecksum(page: Buffer, bodyStart: number): number {
  return crc32(page.subarray(8, bodyStart), crc32(page.subarray(0, 4)))
}

/** The checksum was right, so the lengths are. */
function readEntry(page: Buffer, start: number, end: number): Entry {
  const flags = page[start]!
  if (flags === 0) return { expiresAt: 0, group: undefined, payload: view(page, start + 1, end) }
  let at = start + 1
  let expiresAt = 0
  let group: string | undefined
  if (flags & hasExpiry) {
    expiresAt = page.readUIntBE(at, 6)
    at += 6
  }
  if (flags & hasGroup) {
    const length = page.readUInt16BE(at)
    group = page.toString('utf8', at + 2, at + 2 + length)
    at += 2 + length
  }
  return { expiresAt, group, payload: view(page, at, end) }
}

/** A Buffer of the same bytes takes four times as long to make. */
function view(page: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(page.buffer, page.byteOffset + start, end - start)
}
