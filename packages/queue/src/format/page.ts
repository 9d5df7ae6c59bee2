import { crc32 } from 'node:zlib'

/**
 * A page: many messages in one LevelDB value, version 1.
 *
 *    0  version u8, 0 u8, count u16
 *    4  checksum u32 of header and table, all but this field
 *    8  epoch u64: drawn by the open that wrote it
 *   16  queue u16, lane u8, 0 u8
 *   20  firstSeq u48
 *   26  bytesBefore u48: payload bytes ever put in this lane before this page
 *   32  writtenAt u48: queue time in milliseconds
 *   38  bodyChecksum u32 of all entries
 *   42  payloadBytes u48 in all
 *   48  head u48: the lane's first page when this one was written, where a reader may start
 *   54  table: per entry, length u32 and checksum u32
 *       entries, each `flags u8`, what the flags announce, payload
 *
 * The table's own checksums salvage the rest of a page of which one entry is damaged.
 */
export const pageVersion = 1
export const maxPageMessages = 256
export const maxPageBytes = 65_536
const headerBytes = 54
const rowBytes = 8

const hasExpiry = 1
const hasGroup = 2

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

export interface PageHeader extends PagePlace {
  epoch: bigint
  count: number
  bytesBefore: number
  writtenAt: number
  payloadBytes: number
  /** At most the first sequence number that is still on disk. */
  head: number
}

export interface PageBody extends PageHeader {
  /** Whether all its entries are as they were written. */
  readonly isWhole: boolean
  /** The bytes that one entry takes, damaged or not. */
  entryLength(index: number): number
  /** Reads one entry; undefined if its checksum does not match. */
  entry(index: number): Entry | undefined
}

/** The bytes that an entry takes in a page, its row of the table included. */
export function entryBytes(entry: Entry): number {
  return rowBytes + 1 + (entry.expiresAt ? 6 : 0) + groupBytes(entry.group) + entry.payload.byteLength
}

export function encodePage(
  place: PagePlace & Pick<PageHeader, 'epoch' | 'bytesBefore' | 'writtenAt' | 'head'>,
  entries: readonly Entry[],
): Buffer {
  let size = headerBytes
  for (const entry of entries) size += entryBytes(entry)
  const page = Buffer.allocUnsafe(size)
  const bodyStart = headerBytes + entries.length * rowBytes
  let end = bodyStart
  let payloadBytes = 0
  for (let index = 0, row = headerBytes; index < entries.length; index++, row += rowBytes) {
    const start = end
    end = writeEntry(page, start, entries[index]!)
    payloadBytes += entries[index]!.payload.byteLength
    page.writeUInt32BE(end - start, row)
    page.writeUInt32BE(crc32(page.subarray(start, end)), row + 4)
  }
  page[0] = pageVersion
  page[1] = 0
  page.writeUInt16BE(entries.length, 2)
  page.writeBigUInt64BE(place.epoch, 8)
  page.writeUInt16BE(place.queue, 16)
  page[18] = place.lane
  page[19] = 0
  page.writeUIntBE(place.firstSeq, 20, 6)
  page.writeUIntBE(place.bytesBefore, 26, 6)
  page.writeUIntBE(place.writtenAt, 32, 6)
  page.writeUInt32BE(crc32(page.subarray(bodyStart)), 38)
  page.writeUIntBE(payloadBytes, 42, 6)
  page.writeUIntBE(place.head, 48, 6)
  page.writeUInt32BE(headerChecksum(page, bodyStart), 4)
  return page
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
  if (page[0] !== pageVersion || count === 0 || count > maxPageMessages) return undefined
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
  const ends = new Uint32Array(header.count + 1)
  ends[0] = bodyStart
  for (let index = 0; index < header.count; index++)
    ends[index + 1] = ends[index]! + page.readUInt32BE(headerBytes + index * rowBytes)
  const isWhole =
    trusted ||
    (ends[header.count] === page.length && crc32(page.subarray(bodyStart)) === page.readUInt32BE(38))
  return { ...header, isWhole, entry, entryLength: (index) => ends[index + 1]! - ends[index]! }

  function entry(index: number): Entry | undefined {
    const bytes = page.subarray(ends[index], ends[index + 1])
    if (!isWhole && !isIntact(bytes, index)) return undefined
    return readEntry(bytes)
  }

  function isIntact(bytes: Buffer, index: number): boolean {
    const row = headerBytes + index * rowBytes
    return bytes.length === page.readUInt32BE(row) && crc32(bytes) === page.readUInt32BE(row + 4)
  }
}

function headerChecksum(page: Buffer, bodyStart: number): number {
  return crc32(page.subarray(8, bodyStart), crc32(page.subarray(0, 4)))
}

function writeEntry(page: Buffer, start: number, { expiresAt, group, payload }: Entry): number {
  let at = start + 1
  page[start] = (expiresAt ? hasExpiry : 0) | (group === undefined ? 0 : hasGroup)
  if (expiresAt) at = page.writeUIntBE(expiresAt, at, 6)
  if (group !== undefined) {
    const length = page.write(group, at + 2)
    page.writeUInt16BE(length, at)
    at += 2 + length
  }
  page.set(payload, at)
  return at + payload.byteLength
}

/** The checksum was right, so the lengths are. */
function readEntry(bytes: Buffer): Entry {
  const flags = bytes[0]!
  let at = 1
  let expiresAt = 0
  let group: string | undefined
  if (flags & hasExpiry) {
    expiresAt = bytes.readUIntBE(at, 6)
    at += 6
  }
  if (flags & hasGroup) {
    const length = bytes.readUInt16BE(at)
    group = bytes.toString('utf8', at + 2, at + 2 + length)
    at += 2 + length
  }
  return { expiresAt, group, payload: bytes.subarray(at) }
}

function groupBytes(group: string | undefined): number {
  return group === undefined ? 0 : 2 + Buffer.byteLength(group)
}
