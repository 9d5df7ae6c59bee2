import { snapshotError } from '../errors.ts'
import { decodeEntries, encodeEntries, type PackEntry, packEntryBytes } from './pack.ts'

/** A pack and what is in it, as an index tells. */
export interface PackListing {
  /** The pack's SHA-256, 64 hexadecimal digits. */
  readonly pack: string
  /** The pack's size, in bytes. */
  readonly size: number
  readonly entries: readonly PackEntry[]
}

/**
 * An index: `HFIX`, version, three bytes 0; for each pack its digest 32, its size 8,
 * the number of its entries 4, then its trailer's entries. Nothing in it is new: it
 * saves reading the trailers, and can be made again from them.
 */
const magic = 0x58494648 // 'HFIX'
const headerBytes = 8
const packBytes = 44
const version = 1

export function encodeIndex(listings: readonly PackListing[]): Uint8Array[] {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt32LE(magic, 0)
  header[4] = version
  return [
    header,
    ...listings.flatMap(({ pack, size, entries }) => [packHead(pack, size, entries), encodeEntries(entries)]),
  ]
}

export function decodeIndex(encoded: Uint8Array): PackListing[] {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  if (bytes.length < headerBytes || bytes.readUInt32LE(0) !== magic) throw corrupt('an index has no header')
  if (bytes[4] !== version)
    throw snapshotError('REPOSITORY_UNSUPPORTED', `an index is of version ${bytes[4]}: use a later release`)
  const listings: PackListing[] = []
  for (let at = headerBytes; at < bytes.length; ) {
    if (at + packBytes > bytes.length) throw corrupt('an index ends within a pack')
    const pack = bytes.toString('hex', at, at + 32)
    const size = Number(bytes.readBigUInt64LE(at + 32))
    const end = at + packBytes + bytes.readUInt32LE(at + 40) * packEntryBytes
    if (end > bytes.length) throw corrupt('an index ends within a pack')
    const trailer = end - at - packBytes + 8
    listings.push({ pack, size, entries: decodeEntries(bytes.subarray(at + packBytes, end), size - trailer) })
    at = end
  }
  return listings
}

function packHead(pack: string, size: number, entries: readonly PackEntry[]): Buffer {
  const head = Buffer.alloc(packBytes)
  head.write(pack, 'hex')
  head.writeBigUInt64LE(BigInt(size), 32)
  head.writeUInt32LE(entries.length, 40)
  return head
}

function corrupt(problem: string): Error {
  return snapshotError('OBJECT_CORRUPT', problem)
}
