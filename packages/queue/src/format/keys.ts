/**
 * The layout of keys, version 1. All numbers are big-endian, so that LevelDB's
 * order is theirs.
 *
 *   page    [queue u16][lane u8][firstSeq u48][part u8]
 *   parked  [queue u16][lane u8][time u48][origin u8][seq u48][part u8]
 *
 * Part 0 is the body, part 1 its state. Queue 0 is the catalog of names. A
 * million messages a second use up a lane's sequence numbers in nine years.
 */

/** Lanes of one queue. Those of priorities run from the highest to the lowest, so that order of keys is order of delivery. */
export const metaLane = 0x00
const readyLane = 0x10
const delayedLane = 0x40
export const deadLane = 0x60
export const checkpointLane = 0x70
export const dedupeLane = 0x80
export const dedupeExpiryLane = 0x81

export const priorities = 10
export const pageKeyBytes = 10
export const parkedKeyBytes = 17

/** Which message: the lane that gave it its sequence number, and that number. */
export interface Origin {
  lane: number
  seq: number
}

export interface ParkedPlace extends Origin {
  /** When it is due, or died: milliseconds of queue time. */
  time: number
}

export function readyLaneOf(priority: number): number {
  return readyLane + (priorities - 1 - priority)
}

export function delayedLaneOf(priority: number): number {
  return delayedLane + (priorities - 1 - priority)
}

/** The priority that a ready or delayed lane belongs to. */
export function priorityOf(lane: number): number {
  return priorities - 1 - (lane & 0x0f)
}

export function laneKey(queue: number, lane: number): Buffer {
  const key = Buffer.allocUnsafe(3)
  key.writeUInt16BE(queue, 0)
  key[2] = lane
  return key
}

/** The end, exclusive, of a lane's keys. */
export function laneEnd(queue: number, lane: number): Buffer {
  return laneKey(queue, lane + 1)
}

export function pageKey(queue: number, lane: number, firstSeq: number, part: 0 | 1): Buffer {
  const key = Buffer.allocUnsafe(pageKeyBytes)
  key.writeUInt16BE(queue, 0)
  key[2] = lane
  key.writeUIntBE(firstSeq, 3, 6)
  key[9] = part
  return key
}

export function parkedKey(queue: number, lane: number, place: ParkedPlace, part: 0 | 1): Buffer {
  const key = Buffer.allocUnsafe(parkedKeyBytes)
  key.writeUInt16BE(queue, 0)
  key[2] = lane
  key.writeUIntBE(place.time, 3, 6)
  key[9] = place.lane
  key.writeUIntBE(place.seq, 10, 6)
  key[16] = part
  return key
}

export function readParkedKey(key: Buffer): ParkedPlace {
  return { time: key.readUIntBE(3, 6), lane: key[9]!, seq: key.readUIntBE(10, 6) }
}

export function checkpointKey(queue: number, { lane, seq }: Origin): Buffer {
  const key = Buffer.allocUnsafe(10)
  key.writeUInt16BE(queue, 0)
  key[2] = checkpointLane
  key[3] = lane
  key.writeUIntBE(seq, 4, 6)
  return key
}

export function dedupeKey(queue: number, hash: Buffer): Buffer {
  return Buffer.concat([laneKey(queue, dedupeLane), hash])
}

export function dedupeExpiryKey(queue: number, time: number, hash: Buffer): Buffer {
  const head = Buffer.allocUnsafe(9)
  head.writeUInt16BE(queue, 0)
  head[2] = dedupeExpiryLane
  head.writeUIntBE(time, 3, 6)
  return Buffer.concat([head, hash])
}
