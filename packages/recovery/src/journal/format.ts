import { crc32 } from 'node:zlib'
import { recoveryError } from '../errors.ts'
import type { JournalRecord } from './journal.ts'

// One line for each record, so that a person can read it in an emergency: the
// CRC-32 of the JSON's bytes in eight hex digits, a space, the JSON. The first
// line names the format and its version in the same way.

export const formatVersion = 1

interface Header {
  readonly format: 'holdfast-recovery-journal'
  readonly version: number
}

export interface Decoded {
  readonly records: readonly JournalRecord[]
  /** How many bytes are whole lines; what follows is the torn end of a last write. */
  readonly wholeBytes: number
}

export function encodeHeader(): string {
  const header: Header = { format: 'holdfast-recovery-journal', version: formatVersion }
  return encodeLine(header)
}

export function encodeRecord(record: JournalRecord): string {
  return encodeLine(record)
}

/**
 * Reads a journal's bytes. A last line that is not whole is a write that a
 * crash cut off, and was never acknowledged: it is left out. Damage anywhere
 * before it throws `JOURNAL_CORRUPT`, a later version `JOURNAL_FORMAT`.
 */
export function decodeJournal(path: string, bytes: Buffer): Decoded {
  const values: unknown[] = []
  let wholeBytes = 0
  while (wholeBytes < bytes.length) {
    const end = bytes.indexOf('\n', wholeBytes)
    const value = end < 0 ? undefined : decodeLine(bytes.subarray(wholeBytes, end))
    if (value === undefined) {
      if (hasWholeLine(bytes, wholeBytes)) throw corrupt(path, values.length + 1)
      break
    }
    if (values.length === 0) checkHeader(path, value)
    values.push(value)
    wholeBytes = end + 1
  }
  if (values.length === 0 && !encodeHeader().startsWith(bytes.toString('latin1'))) throw corrupt(path, 1)
  return { records: values.slice(1) as JournalRecord[], wholeBytes }
}

function encodeLine(value: unknown): string {
  const json = JSON.stringify(value)
  return `${checksum(json)} ${json}\n`
}

function decodeLine(line: Buffer): unknown {
  const json = line.subarray(9)
  if (line[8] !== 0x20 || line.toString('latin1', 0, 8) !== checksum(json)) return undefined
  return JSON.parse(json.toString())
}

function checksum(data: string | Buffer): string {
  return crc32(data).toString(16).padStart(8, '0')
}

/** Whether a whole line stands anywhere after the damage: then it is no torn end. */
function hasWholeLine(bytes: Buffer, from: number): boolean {
  const text = bytes.toString('latin1', from)
  for (const { index } of text.matchAll(/[0-9a-f]{8} (?=\{)/g)) {
    const end = bytes.indexOf('\n', from + index)
    if (end >= 0 && decodeLine(bytes.subarray(from + index, end)) !== undefined) return true
  }
  return false
}

function checkHeader(path: string, value: unknown): void {
  const { format, version } = value as Partial<Header>
  if (format !== 'holdfast-recovery-journal') throw corrupt(path, 1)
  if (version === formatVersion) return
  throw recoveryError(
    'JOURNAL_FORMAT',
    `${path} was written in format ${version}, this release reads ${formatVersion}: use the release that wrote it`,
    { fields: { path, version } },
  )
}

function corrupt(path: string, line: number): Error {
  return recoveryError(
    'JOURNAL_CORRUPT',
    `${path} is damaged in line ${line}: cut it off before that line to resume from there`,
    { fields: { path, line } },
  )
}
