import { crc32 } from 'node:zlib'

/**
 * What a queue must remember when no page does. Version 1.
 *
 *    0  version u8, clean u8, lanes u16
 *    4  checksum u32 of what follows and of the first four bytes
 *    8  epoch u64, queue time u48
 *   22  per lane: lane u8, next sequence u48, bytes ever put u48, head u48
 */
export const metaVersion = 1
const headerBytes = 22
const rowBytes = 19

export interface LaneEnd {
  /** The sequence number that comes next. */
  next: number
  /** Payload bytes ever put in it. */
  bytes: number
  /** At most the first sequence number that is still on disk. */
  head: number
}

export interface Meta {
  /** Whether the owner closed; false while it is open. */
  clean: boolean
  epoch: bigint
  queueTime: number
  lanes: Map<number, LaneEnd>
}

export function encodeMeta(meta: Meta): Buffer {
  const bytes = Buffer.alloc(headerBytes + meta.lanes.size * rowBytes)
  bytes[0] = metaVersion
  bytes[1] = meta.clean ? 1 : 0
  bytes.writeUInt16BE(meta.lanes.size, 2)
  bytes.writeBigUInt64BE(meta.epoch, 8)
  bytes.writeUIntBE(meta.queueTime, 16, 6)
  let at = headerBytes
  for (const [lane, end] of meta.lanes) {
    bytes[at] = lane
    bytes.writeUIntBE(end.next, at + 1, 6)
    bytes.writeUIntBE(end.bytes, at + 7, 6)
    bytes.writeUIntBE(end.head, at + 13, 6)
    at += rowBytes
  }
  bytes.writeUInt32BE(crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4))), 4)
  return bytes
}

/** Undefined if it is damaged; the number alone if a newer release wrote it. */
export function readMeta(bytes: Buffer): Meta | { newerVersion: number } | undefined {
  if (bytes.length < headerBytes) return undefined
  if (crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4))) !== bytes.readUInt32BE(4)) return undefined
  if (bytes[0]! > metaVersion) return { newerVersion: bytes[0]! }
  const lanes = new Map<number, LaneEnd>()
  for (let at = headerBytes; at < bytes.length; at += rowBytes)
    lanes.set(bytes[at]!, {
      next: bytes.readUIntBE(at + 1, 6),
      bytes: bytes.readUIntBE(at + 7, 6),
      head: bytes.readUIntBE(at + 13, 6),
    })
  return {
    clean: bytes[1] === 1,
    epoch: bytes.readBigUInt64BE(8),
    queueTime: bytes.readUIntBE(16, 6),
    lanes,
  }
}
