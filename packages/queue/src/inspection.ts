import type { Bands } from './bands.ts'
import type { Context } from './context.ts'
import { deadLane, delayedLaneOf, laneEnd, laneKey, parkedKeyBytes, readParkedKey } from './format/keys.ts'
import { readHeader, readPage } from './format/page.ts'
import { createState, readState } from './format/page-state.ts'
import { type ParkedRecord, readAttempts, readRecord } from './format/record.ts'
import { messageId } from './state/message.ts'
import { type Database, type Pair, readAll } from './store/database.ts'
import type { DeadLetterFilter, Lane, Loss, PeekedMessage, Verification } from './types.ts'

/** A message as it stands on disk. */
interface Stored {
  readonly id: string
  readonly lane: Lane
  readonly payload: Uint8Array
  readonly attempts: number
  readonly priority: number
  readonly group: string | undefined
  readonly error: string | undefined
}

interface Tally {
  pages: number
  losses: Loss[]
}

/** Looks at what is on disk, apart from what is in memory. */
export interface Inspection<T> {
  peek(lane: Lane, limit: number): Promise<PeekedMessage<T>[]>
  verify(): Promise<Verification>
  /** The dead that the filter picks, the oldest first, with their keys. */
  dead(filter: DeadLetterFilter): Promise<{ key: Buffer; record: ParkedRecord }[]>
}

export function createInspection<T>(context: Context<T>, bands: Bands): Inspection<T> {
  const { queue, store, settings } = context
  return { peek, verify, dead }

  async function peek(lane: Lane, limit: number): Promise<PeekedMessage<T>[]> {
    return await store.read(async (database) => {
      const found: PeekedMessage<T>[] = []
      for await (const stored of messagesIn(database, lane, { pages: 0, losses: [] })) {
        found.push(toPeeked(stored))
        if (found.length >= limit) break
      }
      return found
    })
  }

  function toPeeked({ payload, group, error, ...rest }: Stored): PeekedMessage<T> {
    return {
      ...rest,
      value: settings.codec.decode(payload),
      ...(group !== undefined && { group }),
      ...(error !== undefined && { error }),
    }
  }

  async function verify(): Promise<Verification> {
    return await store.read(async (database) => {
      const tally: Tally = { pages: 0, losses: [] }
      let messages = 0
      for (const lane of ['ready', 'delayed', 'dead'] as const)
        for await (const _ of messagesIn(database, lane, tally)) messages++
      return { ...tally, messages }
    })
  }

  async function dead(filter: DeadLetterFilter): Promise<{ key: Buffer; record: ParkedRecord }[]> {
    const ids = filter.ids && new Set(filter.ids)
    const limit = filter.limit ?? Number.POSITIVE_INFINITY
    return await store.read(async (database) => {
      const found: { key: Buffer; record: ParkedRecord }[] = []
      for await (const [key, value] of readAll(database, rangeOf(deadLane))) {
        if (found.length >= limit) break
        const record = readRecord(value, { queue, storedIn: deadLane }, readParkedKey(key))
        if (record && (!ids || ids.has(messageId(record.epoch, record)))) found.push({ key, record })
      }
      return found
    })
  }

  async function* messagesIn(database: Database, lane: Lane, tally: Tally): AsyncGenerator<Stored> {
    if (lane === 'dead') return yield* recordsIn(database, lane, deadLane, 0, tally)
    for (const { priority, pages } of bands.all) {
      if (lane === 'delayed') yield* recordsIn(database, lane, delayedLaneOf(priority), priority, tally)
      else yield* pagesIn(database, pages.lane, priority, tally)
    }
  }

  async function* pagesIn(
    database: Database,
    lane: number,
    priority: number,
    tally: Tally,
  ): AsyncGenerator<Stored> {
    const { pages } = bands.of(priority)
    const end = pages.next()
    let expected: number | undefined = pages.head()
    for await (const [[key, value], follower] of withFollower(readAll(database, rangeOf(lane)))) {
      const firstSeq = key.readUIntBE(3, 6)
      const header = key[9] === 0 && firstSeq < end ? readHeader(value, { queue, lane, firstSeq }) : undefined
      if (!header || 'newerVersion' in header) continue
      // What was consumed while this reads is not lost.
      if (firstSeq > expected && firstSeq > pages.head())
        tally.losses.push(lossOf(priority, Math.max(expected, pages.head()), firstSeq - 1, 'page missing'))
      expected = firstSeq + header.count
      tally.pages++
      const body = readPage(value, header)
      const isState = follower?.[0].subarray(0, 9).equals(key.subarray(0, 9))
      const state = (follower && isState && readState(follower[1], header)) || createState(header.count)
      for (let index = 0; index < header.count; index++) {
        if (state.finished[index]) continue
        const seq = firstSeq + index
        const entry = body.entry(index)
        if (!entry) tally.losses.push(lossOf(priority, seq, seq, 'checksum of message'))
        else
          yield {
            id: messageId(header.epoch, { lane, seq }),
            lane: 'ready',
            payload: entry.payload,
            attempts: state.attempts[index]!,
            priority,
            group: entry.group,
            error: state.errors.get(index),
          }
      }
    }
    if (expected < end && pages.head() < end)
      tally.losses.push(lossOf(priority, Math.max(expected, pages.head()), end - 1, 'page missing'))
  }

  async function* recordsIn(
    database: Database,
    lane: Lane,
    storedIn: number,
    priority: number,
    tally: Tally,
  ): AsyncGenerator<Stored> {
    for await (const [[key, value], follower] of withFollower(readAll(database, rangeOf(storedIn)))) {
      if (key.length !== parkedKeyBytes || key[16] !== 0) continue
      const place = readParkedKey(key)
      const record = readRecord(value, { queue, storedIn }, place)
      const attempts = follower?.[0][16] === 1 ? readAttempts(follower[1], place) : undefined
      if (record)
        yield {
          id: messageId(record.epoch, record),
          lane,
          payload: record.payload,
          attempts: attempts ?? record.attempts,
          priority: record.priority,
          group: record.group,
          error: record.error,
        }
      else tally.losses.push({ ...lossOf(priority, place.seq, place.seq, 'checksum of record'), lane })
    }
  }

  function rangeOf(lane: number): { gte: Buffer; lt: Buffer } {
    return { gte: laneKey(queue, lane), lt: laneEnd(queue, lane) }
  }
}

function lossOf(priority: number, from: number, to: number, reason: string): Loss {
  return { lane: 'ready', priority, from, to, messages: to - from + 1, reason }
}

async function* withFollower(pairs: AsyncIterable<Pair>): AsyncGenerator<[Pair, Pair | undefined]> {
  let previous: Pair | undefined
  for await (const pair of pairs) {
    if (previous) yield [previous, pair]
    previous = pair
  }
  if (previous) yield [previous, undefined]
}
