import {
  delayedLaneOf,
  laneEnd,
  laneKey,
  type ParkedPlace,
  parkedKey,
  parkedKeyBytes,
  readParkedKey,
} from '../format/keys.ts'
import {
  encodeAttempts,
  encodeRecord,
  type ParkedRecord,
  readAttempts,
  readRecord,
} from '../format/record.ts'
import { after, type Pair, type Range } from '../store/database.ts'
import type { Message } from './message.ts'
import type { Operation } from './operations.ts'

/**
 * The messages of one priority that wait for their time, one record each, the
 * earliest first. Of those on disk a window of the earliest is in memory.
 */
export interface ParkedLane {
  /** How many are not in hand. */
  waiting(): number
  /** Queue time at which the earliest is due; undefined if there is none, or none is in memory. */
  due(): number | undefined
  /** Whether the window is empty and more may be on disk. */
  mustRead(): boolean
  /** What to read next. `load` must follow. */
  beginRead(): Range
  load(pairs: readonly Pair[]): void
  /** Takes out the earliest, due or not. */
  takeFirst(): Message | undefined
  /** Takes out the earliest if it is due. It is in hand then, until it is finished or parked again. */
  take(queueTime: number): Message | undefined
  /** What stores this message here. */
  put(operations: Operation[], message: Message, place: ParkedPlace, writtenAt: number): void
  /** It is stored here now. `inHand`: and out there with someone, not to be handed out from here. */
  parked(message: Message, inHand: boolean): void
  /** What keeps its attempts, which changed. */
  touch(operations: Operation[], message: Message): void
  /** What deletes it. */
  finish(operations: Operation[], message: Message): void
}

export interface ParkedStart {
  queue: number
  priority: number
  /** How many are on disk. */
  count: number
  onDamage(key: Buffer, value: Buffer): void
}

interface Waiting {
  key: string
  message: Message
}

const windowSize = 256

export function createParkedLane({ queue, priority, onDamage, ...start }: ParkedStart): ParkedLane {
  const lane = delayedLaneOf(priority)
  const storage = { queue, storedIn: lane }
  const inHand = new Set<string>()
  /** What came and went while a read is under way, which may not have seen it. */
  let reading: { came: Waiting[]; gone: Set<string> } | undefined
  let waiting: Waiting[] = []
  /** All keys below this one that are not in hand are in `waiting`; undefined: all keys are. */
  let coveredTo: string | undefined = start.count > 0 ? '' : undefined
  let readFrom: Buffer = laneKey(queue, lane)
  let { count } = start
  return {
    beginRead,
    load,
    take,
    takeFirst,
    put,
    parked,
    touch,
    finish,
    waiting() {
      return count - inHand.size
    },
    due() {
      const first = waiting[0]
      return first && placeOf(first.message).time
    },
    mustRead() {
      return waiting.length === 0 && coveredTo !== undefined
    },
  }

  function beginRead(): Range {
    reading = { came: [], gone: new Set() }
    return { gte: readFrom, lt: laneEnd(queue, lane) }
  }

  function load(pairs: readonly Pair[]): void {
    const { came, gone } = reading ?? { came: [], gone: new Set() }
    reading = undefined
    const first = waiting.length
    pairs.forEach(([key, value], index) => {
      if (key.length !== parkedKeyBytes || key[16] !== 0 || isKnown(keyText(key)) || gone.has(keyText(key)))
        return
      const place = readParkedKey(key)
      const record = readRecord(value, storage, place)
      const follower = pairs[index + 1]
      if (record) waiting.push({ key: keyText(key), message: createMessage(record, follower) })
      else {
        count--
        onDamage(key, value)
      }
    })
    const last = pairs.at(-1)
    if (last) readFrom = after(last[0])
    coveredTo = last ? keyText(readFrom) : undefined
    if (first > 0) waiting.sort((a, b) => (a.key < b.key ? -1 : 1))
    for (const item of came) if (isCovered(item.key) && !isKnown(item.key)) insert(item)
  }

  function isCovered(key: string): boolean {
    return coveredTo === undefined || key < coveredTo
  }

  function isKnown(key: string): boolean {
    if (inHand.has(key)) return true
    const place = placeIn(key)
    return waiting[place]?.key === key
  }

  function placeIn(key: string): number {
    let low = 0
    for (let high = waiting.length; low < high; ) {
      const middle = (low + high) >> 1
      if (waiting[middle]!.key < key) low = middle + 1
      else high = middle
    }
    return low
  }

  function createMessage(record: ParkedRecord, follower: Pair | undefined): Message {
    const { time, lane: origin, seq } = record
    const place = { time, lane: origin, seq }
    const attempts = follower && follower[0][16] === 1 ? readAttempts(follower[1], place) : undefined
    return {
      lane: origin,
      seq,
      epoch: record.epoch,
      priority: record.priority,
      payload: record.payload,
      expiresAt: record.expiresAt,
      group: record.group,
      attempts: attempts ?? record.attempts,
      error: record.error,
      checkpoint: record.attempts || attempts !== undefined ? undefined : 'none',
      home: { kind: 'parked', place, hasAttempts: attempts !== undefined },
      holder: undefined,
    }
  }

  function take(queueTime: number): Message | undefined {
    const first = waiting[0]
    return first && placeOf(first.message).time <= queueTime ? takeFirst() : undefined
  }

  function takeFirst(): Message | undefined {
    const first = waiting.shift()
    if (first) inHand.add(first.key)
    return first?.message
  }

  function put(operations: Operation[], message: Message, place: ParkedPlace, writtenAt: number): void {
    const record = { ...message, ...place, writtenAt }
    operations.push([parkedKey(queue, lane, place, 0), encodeRecord(storage, record)])
  }

  function parked(message: Message, isInHand: boolean): void {
    count++
    const key = keyText(parkedKey(queue, lane, placeOf(message), 0))
    if (isKnown(key)) return
    if (isInHand) inHand.add(key)
    else if (isCovered(key)) insert({ key, message })
    else reading?.came.push({ key, message })
  }

  function insert(item: Waiting): void {
    waiting.splice(placeIn(item.key), 0, item)
    if (waiting.length <= 2 * windowSize) return
    const dropped = waiting[windowSize]!
    waiting = waiting.slice(0, windowSize)
    coveredTo = dropped.key
    readFrom = Buffer.from(dropped.key, 'latin1')
  }

  function touch(operations: Operation[], message: Message): void {
    const home = parkedHome(message)
    home.hasAttempts = true
    operations.push([parkedKey(queue, lane, home.place, 1), encodeAttempts(home.place, message.attempts)])
  }

  function finish(operations: Operation[], message: Message): void {
    const { place, hasAttempts } = parkedHome(message)
    const key = parkedKey(queue, lane, place, 0)
    inHand.delete(keyText(key))
    reading?.gone.add(keyText(key))
    count--
    operations.push([key, undefined])
    if (hasAttempts) operations.push([parkedKey(queue, lane, place, 1), undefined])
  }
}

function parkedHome(message: Message): Message['home'] & { kind: 'parked' } {
  if (message.home.kind !== 'parked') throw new Error('not a parked message')
  return message.home
}

function placeOf(message: Message): ParkedPlace {
  return parkedHome(message).place
}

/** Texts of Latin-1 compare as their bytes do. */
function keyText(key: Buffer): string {
  return key.toString('latin1')
}
