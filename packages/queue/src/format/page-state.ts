import { crc32 } from 'node:zlib'
import type { PagePlace } from './page.ts'

/**
 * What became of a page's messages, version 1; stands beside the body under part 1.
 *
 *    0  version u8, 0 u8, count u16
 *    4  checksum u32 of what follows and of the first four bytes
 *    8  epoch u64 of the page, queue u16, lane u8, firstSeq u48, writtenAt u48
 *   31  finished: a bit per message
 *       dispatched: a bit per message, set once it was handed out
 *       rows for each message with two attempts or more, or a failure's text,
 *       or with none though it was handed out:
 *       index u8, attempts u16, length u16, text
 */
export const stateVersion = 1
const headerBytes = 31
const maxErrorBytes = 1_024

export interface PageState {
  finished: Uint8Array
  attempts: Uint16Array
  /** The text of the last failure, by index. */
  errors: Map<number, string>
  /** Those that were handed out and given back without an attempt: they may have a checkpoint. */
  released: Set<number>
}

export interface StateStamp extends PagePlace {
  epoch: bigint
  count: number
}

export function encodeState(stamp: StateStamp & { writtenAt: number }, state: PageState): Buffer {
  const bitmapBytes = (stamp.count + 7) >> 3
  const rows: Buffer[] = []
  const fixed = Buffer.alloc(headerBytes + 2 * bitmapBytes)
  for (let index = 0; index < stamp.count; index++) {
    const bit = 1 << (index & 7)
    if (state.finished[index]) fixed[headerBytes + (index >> 3)]! |= bit
    else if (hasRow(state, index)) rows.push(encodeRow(state, index))
    if (state.attempts[index] || isReleased(state, index))
      fixed[headerBytes + bitmapBytes + (index >> 3)]! |= bit
  }
  fixed[0] = stateVersion
  fixed.writeUInt16BE(stamp.count, 2)
  fixed.writeBigUInt64BE(stamp.epoch, 8)
  fixed.writeUInt16BE(stamp.queue, 16)
  fixed[18] = stamp.lane
  fixed.writeUIntBE(stamp.firstSeq, 19, 6)
  fixed.writeUIntBE(stamp.writtenAt, 25, 6)
  const bytes = rows.length > 0 ? Buffer.concat([fixed, ...rows]) : fixed
  bytes.writeUInt32BE(checksum(bytes), 4)
  return bytes
}

/** Undefined if it is damaged or another page's: then its messages are delivered again. */
export function readState(bytes: Buffer, stamp: StateStamp): PageState | undefined {
  const { count } = stamp
  const bitmapBytes = (count + 7) >> 3
  let at = headerBytes + 2 * bitmapBytes
  if (bytes.length < at || checksum(bytes) !== bytes.readUInt32BE(4)) return undefined
  if (bytes[0] !== stateVersion || !isOf(bytes, stamp)) return undefined
  const state = createState(count)
  for (let index = 0; index < count; index++) {
    const bit = 1 << (index & 7)
    state.finished[index] = bytes[headerBytes + (index >> 3)]! & bit ? 1 : 0
    state.attempts[index] = bytes[headerBytes + bitmapBytes + (index >> 3)]! & bit ? 1 : 0
  }
  while (at + 5 <= bytes.length) {
    const index = bytes[at]!
    const length = bytes.readUInt16BE(at + 3)
    state.attempts[index] = bytes.readUInt16BE(at + 1)
    if (state.attempts[index] === 0) state.released.add(index)
    if (length > 0) state.errors.set(index, bytes.toString('utf8', at + 5, at + 5 + length))
    at += 5 + length
  }
  return state
}

/** Queue time at which a state was written; only of one that `readState` took. */
export function stateWrittenAt(bytes: Buffer): number {
  return bytes.readUIntBE(25, 6)
}

export function createState(count: number): PageState {
  return {
    finished: new Uint8Array(count),
    attempts: new Uint16Array(count),
    errors: new Map(),
    released: new Set(),
  }
}

/** Cuts a failure's text to what is kept of it. */
export function errorText(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.length > maxErrorBytes / 4 ? `${text.slice(0, maxErrorBytes / 4 - 1)}…` : text
}

function hasRow(state: PageState, index: number): boolean {
  const hasError = state.errors.size > 0 && state.errors.has(index)
  return state.attempts[index]! > 1 || hasError || isReleased(state, index)
}

function isReleased({ released }: PageState, index: number): boolean {
  return released.size > 0 && released.has(index)
}

function encodeRow(state: PageState, index: number): Buffer {
  const text = Buffer.from(state.errors.get(index) ?? '')
  const row = Buffer.allocUnsafe(5 + text.length)
  row[0] = index
  row.writeUInt16BE(state.attempts[index]!, 1)
  row.writeUInt16BE(text.length, 3)
  row.set(text, 5)
  return row
}

function checksum(bytes: Buffer): number {
  return crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4)))
}

function isOf(bytes: Buffer, { count, epoch, queue, lane, firstSeq }: StateStamp): boolean {
  return (
    bytes.readUInt16BE(2) === count &&
    bytes.readBigUInt64BE(8) === epoch &&
    bytes.readUInt16BE(16) === queue &&
    bytes[18] === lane &&
    bytes.readUIntBE(19, 6) === firstSeq
  )
}
