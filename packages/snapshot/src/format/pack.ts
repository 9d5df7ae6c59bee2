import { snapshotError } from '../errors.ts'

/**
 * A pack: `HFPK`, version, flags, two bytes 0, a salt of 32 bytes; the chunks; the
 * trailer, one entry of 48 bytes for each chunk; the number of entries; `KPFH`.
 * Numbers are unsigned and little-endian.
 *
 * An entry: id 32, offset 4, stored length 4, length 4, codec 1, three bytes 0.
 */
export const packHeaderBytes = 40
const entryBytes = 48
const endBytes = 8
const magic = 0x4b504648 // 'HFPK'
const endMagic = 0x4846504b // 'KPFH'
const version = 1

export interface PackEntry {
  /** 64 hexadecimal digits. */
  readonly id: string
  /** Where it is stored in the pack, in bytes. */
  readonly offset: number
  readonly storedLength: number
  /** Of the content. */
  readonly length: number
  readonly codec: number
  /** Its place in the pack, from 0. */
  readonly ordinal: number
}

export function encodePackHeader(salt: Uint8Array, encrypted: boolean): Uint8Array {
  const header = Buffer.alloc(packHeaderBytes)
  header.writeUInt32LE(magic, 0)
  header[4] = version
  header[5] = encrypted ? 1 : 0
  header.set(salt, 8)
  return header
}

export function decodePackHeader(bytes: Uint8Array): { salt: Uint8Array; encrypted: boolean } {
  const header = view(bytes)
  if (header.length < packHeaderBytes || header.readUInt32LE(0) !== magic)
    throw corrupt('a pack has no header')
  if (header[4] !== version) throw unsupported(header[4])
  return { salt: header.subarray(8, packHeaderBytes), encrypted: header[5] === 1 }
}

export function encodeTrailer(entries: readonly PackEntry[]): Uint8Array {
  const end = Buffer.alloc(endBytes)
  end.writeUInt32LE(entries.length, 0)
  end.writeUInt32LE(endMagic, 4)
  return Buffer.concat([encodeEntries(entries), end])
}

/** How long the trailer is, read from the pack's last 8 bytes; undefined where they end no pack. */
export function trailerLength(lastBytes: Uint8Array): number | undefined {
  const end = view(lastBytes.subarray(-endBytes))
  if (end.length < endBytes || end.readUInt32LE(4) !== endMagic) return undefined
  return end.readUInt32LE(0) * entryBytes + endBytes
}

/** Reads a whole trailer, and refuses entries that are not one after the other in a pack of `packBytes`. */
export function decodeTrailer(trailer: Uint8Array, packBytes: number): PackEntry[] {
  if (trailerLength(trailer) !== trailer.length) throw corrupt('a pack has no trailer')
  return decodeEntries(trailer.subarray(0, -endBytes), packBytes - trailer.length)
}

export function encodeEntries(entries: readonly PackEntry[]): Uint8Array {
  const bytes = Buffer.alloc(entries.length * entryBytes)
  entries.forEach((entry, at) => {
    const start = at * entryBytes
    bytes.write(entry.id, start, 'hex')
    bytes.writeUInt32LE(entry.offset, start + 32)
    bytes.writeUInt32LE(entry.storedLength, start + 36)
    bytes.writeUInt32LE(entry.length, start + 40)
    bytes[start + 44] = entry.codec
  })
  return bytes
}

/** Refuses overlaps, gaps and whatever reaches beyond `end`: chunks lie in a row from the header on. */
export function decodeEntries(encoded: Uint8Array, end: number): PackEntry[] {
  const bytes = view(encoded)
  let next = packHeaderBytes
  const entries = Array.from({ length: bytes.length / entryBytes }, (_, ordinal): PackEntry => {
    const start = ordinal * entryBytes
    const entry = {
      id: bytes.toString('hex', start, start + 32),
      offset: bytes.readUInt32LE(start + 32),
      storedLength: bytes.readUInt32LE(start + 36),
      length: bytes.readUInt32LE(start + 40),
      codec: bytes[start + 44]!,
      ordinal,
    }
    if (entry.offset !== next) throw corrupt(`chunk ${entry.id} does not follow the one before it`)
    next += entry.storedLength
    return entry
  })
  if (next !== end) throw corrupt(`a pack's chunks end at ${next} instead of ${end}`)
  return entries
}

/** What an encrypted chunk is bound to besides its key: id, length and codec. */
export function chunkLabel({ id, length, codec }: Pick<PackEntry, 'id' | 'length' | 'codec'>): Uint8Array {
  const label = Buffer.alloc(37)
  label.write(id, 'hex')
  label.writeUInt32LE(length, 32)
  label[36] = codec
  return label
}

export const packEntryBytes: number = entryBytes

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function corrupt(problem: string): Error {
  return snapshotError('OBJECT_CORRUPT', problem)
}

function unsupported(found: number | undefined): Error {
  return snapshotError('REPOSITORY_UNSUPPORTED', `a pack is of version ${found}: use a later release`, {
    fields: { version: found },
  })
}
