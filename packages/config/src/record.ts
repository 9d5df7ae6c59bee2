import { createHash } from 'node:crypto'
import { isObject } from './document.ts'
import type { Layer } from './layers.ts'

/**
 * One generation of the last-known-good, as it is on disk.
 *
 * A file is the SHA-256, in hex, of all that follows; a line feed; and JSON. Format 1.
 */
export interface GoodRecord {
  readonly format: 1
  readonly kind: 'last-known-good'
  readonly schemaId: string
  /** Counts the writes; the record of the higher one is the newer. */
  readonly generation: number
  /** By the wall clock, in milliseconds since the epoch. */
  readonly savedAt: number
  readonly hash: string
  readonly layers: readonly Layer[]
}

/** Names the config that is on probation, or failed it. Found at boot in the first state, it tells that the process died with it. */
export interface ProbationMark {
  readonly format: 1
  readonly kind: 'probation'
  readonly hash: string
  readonly state: 'trying' | 'failed'
}

export function encodeRecord(record: GoodRecord | ProbationMark): string {
  const body = `${JSON.stringify(record)}\n`
  return `${checksum(body)}\n${body}`
}

/** The record, or why it is none: torn, altered, or of a format that this release does not know. */
export function decodeRecord(text: string, kind: 'last-known-good'): GoodRecord | string
export function decodeRecord(text: string, kind: 'probation'): ProbationMark | string
export function decodeRecord(
  text: string,
  kind: 'last-known-good' | 'probation',
): GoodRecord | ProbationMark | string {
  const end = text.indexOf('\n')
  const body = text.slice(end + 1)
  if (end < 0 || text.slice(0, end) !== checksum(body)) return 'the checksum does not fit'
  const record: unknown = JSON.parse(body)
  if (!isObject(record) || record['format'] !== 1 || record['kind'] !== kind)
    return 'it is of a format that this release does not know'
  return record as unknown as GoodRecord | ProbationMark
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex')
}
