import { crc32 } from 'node:zlib'
import type { ParkedPlace } from './keys.ts'
import type { Entry } from './page.ts'

/**
 * One message alone: delayed, waiting for its retry, moved out of an old page,
 * or dead. Version 1.
 *
 *    0  version u8, lane u8, queue u16
 *    4  checksum u32 of what follows, and of the first four bytes
 *    8  epoch u64
 *   16  time u48, origin lane u8, sequence u48: as in the key
 *   29  writtenAt u48, expiresAt u48, 0 u48
 *   47  attempts u16, priority u8, has a group u8, error length u16, group length u16
 *   55  error, group, payload
 */
export const recordVersion = 1
const headerBytes = 55

export interface ParkedRecord extends Entry, ParkedPlace {
  epoch: bigint
  writtenAt: number
  attempts: number
  priority: number
  error: string | undefined
}

export interface RecordPlace {
  queue: number
  storedIn: number
}

export function encodeRecord({ queue, storedIn }: RecordPlace, record: ParkedRecord): Buffer {
  const error = Buffer.from(record.error ?? '')
  const group = Buffer.from(record.group ?? '')
  const bytes = Buffer.alloc(headerBytes + error.length + group.length + record.payload.byteLength)
  bytes[0] = recordVersion
  bytes[1] = storedIn
  bytes.writeUInt16BE(queue, 2)
  bytes.writeBigUInt64BE(record.epoch, 8)
  bytes.writeUIntBE(record.time, 16, 6)
  bytes[22] = record.lane
  bytes.writeUIntBE(record.seq, 23, 6)
  bytes.writeUIntBE(record.writtenAt, 29, 6)
  bytes.writeUIntBE(record.expiresAt, 35, 6)
  bytes.writeUInt16BE(record.attempts, 47)
  bytes[49] = record.priority
  bytes[50] = record.group === undefined ? 0 : 1
  bytes.writeUInt16BE(error.length, 51)
  bytes.writeUInt16BE(group.length, 53)
  bytes.set(error, headerBytes)
  bytes.set(group, headerBytes + error.length)
  bytes.set(record.payload, headerBytes + error.length + group.length)
  bytes.writeUInt32BE(checksum(bytes), 4)
  return bytes
}

/** Undefined if it is damaged or stands under another's key. */
export function readRecord(
  bytes: Buffer,
  { queue, storedIn }: RecordPlace,
  place: ParkedPlace,
): ParkedRecord | undefined {
  if (bytes.length < headerBytes || bytes[0] !== recordVersion) return undefined
  if (checksum(bytes) !== bytes.readUInt32BE(4)) return undefined
  const isPlace =
    bytes[1] === storedIn &&
    bytes.readUInt16BE(2) === queue &&
    bytes.readUIntBE(16, 6) === place.time &&
    bytes[22] === place.lane &&
    bytes.readUIntBE(23, 6) === place.seq
  if (!isPlace) return undefined
  const errorEnd = headerBytes + bytes.readUInt16BE(51)
  const groupEnd = errorEnd + bytes.readUInt16BE(53)
  return {
    ...place,
    epoch: bytes.readBigUInt64BE(8),
    writtenAt: bytes.readUIntBE(29, 6),
    expiresAt: bytes.readUIntBE(35, 6),
    attempts: bytes.readUInt16BE(47),
    priority: bytes[49]!,
    error: errorEnd > headerBytes ? bytes.toString('utf8', headerBytes, errorEnd) : undefined,
    group: bytes[50] ? bytes.toString('utf8', errorEnd, groupEnd) : undefined,
    payload: bytes.subarray(groupEnd),
  }
}

/** The deliveries of a parked message, under part 1: written alone, so that the payload is not written again. */
export function encodeAttempts(place: ParkedPlace, attempts: number): Buffer {
  const bytes = Buffer.alloc(20)
  bytes[0] = recordVersion
  bytes.writeUInt16BE(attempts, 1)
  bytes.writeUIntBE(place.time, 3, 6)
  bytes[9] = place.lane
  bytes.writeUIntBE(place.seq, 10, 6)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 16)), 16)
  return bytes
}

export function readAttempts(bytes: Buffer, place: ParkedPlace): number | undefined {
  if (bytes.length !== 20 || crc32(bytes.subarray(0, 16)) !== bytes.readUInt32BE(16)) return undefined
  return encodeAttempts(place, bytes.readUInt16BE(1)).equals(bytes) ? bytes.readUInt16BE(1) : undefined
}

function checksum(bytes: Buffer): number {
  return crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4)))
}
