import {
  type Entry,
  hasExpiry,
  hasGroup,
  headerBytes,
  headerChecksum,
  maxPageBytes,
  maxPageMessages,
  type PageHeader,
  type PageStamp,
  pageVersion,
  rowBytes,
} from './page.ts'
import { xxHash32 } from './xxhash32.ts'

/** A page as it goes to the disk. */
export interface WrittenPage {
  readonly header: PageHeader
  /** Part of the writer's buffer, but for small pages, which are copied out of it. */
  readonly bytes: Buffer
}

/** Where a page's entries begin while it is written: behind a table of full length. */
const bodyStart = headerBytes + maxPageMessages * rowBytes
const bufferBytes = bodyStart + maxPageBytes

/**
 * A page that is being written: each entry is encoded as it comes, and the
 * header, which tells the sequence number of the first, once there is none to come.
 * A class, not closures: its `add` runs for each message.
 */
export class PageWriter {
  readonly buffer: Buffer
  count = 0
  payloadBytes = 0
  readonly #view: DataView
  #end: number = bodyStart

  constructor(buffer: Buffer) {
    this.buffer = buffer
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
  }

  /** Whether an entry of so many bytes belongs into this page, and not into the next. */
  hasRoomFor(bytes: number): boolean {
    const taken = this.#end - bodyStart + this.count * rowBytes
    return this.count === 0 || (this.count < maxPageMessages && taken + bytes <= maxPageBytes)
  }

  /** Copies the entry. */
  add(entry: Entry): void {
    const { payload } = entry
    const start = this.#end
    const at = this.#writeFlags(start, entry)
    this.buffer.set(payload, at)
    this.#end = at + payload.byteLength
    const row = headerBytes + this.count * rowBytes
    this.#view.setUint32(row, this.#end - start)
    this.#view.setInt32(row + 4, xxHash32(this.#view, start, this.#end))
    this.count++
    this.payloadBytes += payload.byteLength
  }

  /** Once, and no `add` after it. */
  close(stamp: PageStamp): WrittenPage {
    const { buffer, count, payloadBytes } = this
    const start = bodyStart - count * rowBytes - headerBytes
    buffer.copyWithin(start + headerBytes, headerBytes, headerBytes + count * rowBytes)
    const page = buffer.subarray(start, this.#end)
    const header = { ...stamp, count, payloadBytes }
    writeHeader(page, header)
    return { header, bytes: page.length > buffer.length / 2 ? page : Buffer.from(page) }
  }

  /** The end of what precedes the payload. */
  #writeFlags(start: number, { expiresAt, group }: Entry): number {
    const { buffer } = this
    let at = start + 1
    buffer[start] = (expiresAt ? hasExpiry : 0) | (group === undefined ? 0 : hasGroup)
    if (expiresAt) at = buffer.writeUIntBE(expiresAt, at, 6)
    if (group !== undefined) {
      const length = buffer.write(group, at + 2)
      buffer.writeUInt16BE(length, at)
      at += 2 + length
    }
    return at
  }
}

/** The bytes that an entry takes in a page, its row of the table included. */
export function entryBytes({ payload, expiresAt, group }: Entry): number {
  const groupBytes = group === undefined ? 0 : 2 + Buffer.byteLength(group)
  return rowBytes + 1 + (expiresAt ? 6 : 0) + groupBytes + payload.byteLength
}

/** The buffers of page writers, used again and again: each is 66 KiB outside of the heap. */
export interface PageBuffers {
  /** For a page whose first entry takes so many bytes. */
  take(entryBytes: number): Buffer
  giveBack(buffer: Buffer): void
}

const maxSpares = 16

export function createPageBuffers(): PageBuffers {
  const spares: Buffer[] = []
  return {
    take: (bytes) =>
      bytes > maxPageBytes
        ? Buffer.allocUnsafeSlow(bodyStart + bytes)
        : (spares.pop() ?? Buffer.allocUnsafeSlow(bufferBytes)),
    giveBack(buffer) {
      if (buffer.length === bufferBytes && spares.length < maxSpares) spares.push(buffer)
    },
  }
}

function writeHeader(page: Buffer, header: PageHeader): void {
  const tableEnd = headerBytes + header.count * rowBytes
  page[0] = pageVersion
  page[1] = 0
  page.writeUInt16BE(header.count, 2)
  page.writeBigUInt64BE(header.epoch, 8)
  page.writeUInt16BE(header.queue, 16)
  page[18] = header.lane
  page[19] = 0
  page.writeUIntBE(header.firstSeq, 20, 6)
  page.writeUIntBE(header.bytesBefore, 26, 6)
  page.writeUIntBE(header.writtenAt, 32, 6)
  page.writeUInt32BE(0, 38)
  page.writeUIntBE(header.payloadBytes, 42, 6)
  page.writeUIntBE(header.head, 48, 6)
  page.writeUInt32BE(headerChecksum(page, tableEnd), 4)
}
