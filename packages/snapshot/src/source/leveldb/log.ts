import { maskedCrc32c } from './crc32c.ts'

const blockBytes = 32_768
const headerBytes = 7
const kinds = { full: 1, first: 2, middle: 3, last: 4 }

export interface LogRecords {
  readonly records: readonly Uint8Array[]
  /** Where the last complete record ends. */
  readonly validBytes: number
  /** `clean` where nothing follows; `torn` where a record is incomplete, as while it is written; `damaged` where one fails its checksum. */
  readonly end: 'clean' | 'torn' | 'damaged'
}

/**
 * Reads the records of LevelDB's log format (doc/log_format.md), as far as they are complete. Blocks' zero
 * padding is skipped. From a position that was the `validBytes` of an earlier reading it goes on there.
 */
export function readLog(bytes: Uint8Array, from = 0): LogRecords {
  const log = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const records: Uint8Array[] = []
  let parts: Uint8Array[] = []
  let validBytes = from
  let at = from
  while (at < log.length) {
    const left = blockBytes - (at % blockBytes)
    if (left < headerBytes) {
      at += left
      continue
    }
    if (at + headerBytes > log.length) return { records, validBytes, end: 'torn' }
    const length = log.readUInt16LE(at + 4)
    const kind = log[at + 6]!
    const end = at + headerBytes + length
    if (end > log.length)
      return { records, validBytes, end: length + headerBytes > left ? 'damaged' : 'torn' }
    if (maskedCrc32c(log.subarray(at + 6, end)) !== log.readUInt32LE(at))
      return { records, validBytes, end: 'damaged' }
    if (kind === kinds.full || kind === kinds.first) parts = []
    parts.push(log.subarray(at + headerBytes, end))
    at = end
    if (kind === kinds.full || kind === kinds.last) {
      records.push(parts.length === 1 ? parts[0]! : Buffer.concat(parts))
      parts = []
      validBytes = at
    }
  }
  return { records, validBytes, end: parts.length > 0 ? 'torn' : 'clean' }
}
