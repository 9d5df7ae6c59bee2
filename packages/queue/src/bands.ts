import type { Context } from './context.ts'
import { queueError } from './errors.ts'
import { delayedLaneOf, laneKey, pageKey, priorities, priorityOf, readyLaneOf } from './format/keys.ts'
import type { LaneEnd } from './format/meta.ts'
import { Deque } from './state/deque.ts'
import type { Message } from './state/message.ts'
import type { Operation } from './state/operations.ts'
import { createPageLane, type LaneLoss, type PageLane } from './state/page-lane.ts'
import { createParkedLane, type ParkedLane } from './state/parked-lane.ts'
import { createReturned, type Returned } from './state/returned.ts'
import { type Pair, readOne, readSome } from './store/database.ts'

/** All that is of one priority. */
export interface Band {
  readonly priority: number
  readonly pages: PageLane
  readonly parked: ParkedLane
  /** Given back uncounted: goes out before all else. */
  readonly returned: Returned
  /** In hand and ready to go out again. */
  readonly ready: Deque<Message>
  /** The sequence number of the next message that is enqueued with a delay. */
  parkedNext: number
  reading: Promise<void> | undefined
}

/** What was found on disk of one priority at opening. */
export interface BandStart {
  priority: number
  head: number
  next: number
  bytes: number
  bytesBefore: number
  parkedCount: number
  parkedNext: number
}

/** The priorities in use, the highest first. */
export interface Bands {
  readonly all: readonly Band[]
  of(priority: number): Band
  /** Whether a band came into use since the last call. */
  tookNew(): boolean
  /** Reads more of the band where that is needed or soon will be; settles when it is there. */
  fill(band: Band): Promise<void> | undefined
  /** For the meta record. */
  ends(): Map<number, LaneEnd>
}

const hotBytes = 4 * 2 ** 20
const lowWaterBytes = 256 * 2 ** 10
const readPairs = 64
/** Where values that fail their checksum are set aside, below their old key. */
const quarantineLane = 0xf0

export function createBands<T>(context: Context<T>, starts: readonly BandStart[]): Bands {
  const { queue, store, events, totals } = context
  const byPriority: (Band | undefined)[] = new Array(priorities).fill(undefined)
  const all: Band[] = []
  let isNew = false
  for (const start of starts) add(start)
  return {
    of,
    fill,
    ends,
    all,
    tookNew() {
      const was = isNew
      isNew = false
      return was
    },
  }

  function of(priority: number): Band {
    const known = byPriority[priority]
    if (known) return known
    isNew = true
    return add({ priority, head: 0, next: 0, bytes: 0, bytesBefore: 0, parkedCount: 0, parkedNext: 0 })
  }

  function add(start: BandStart): Band {
    const { priority } = start
    const band: Band = {
      priority,
      pages: createPageLane({
        ...start,
        queue,
        lane: readyLaneOf(priority),
        hotBytes,
        quarantine,
        onNewerVersion: (version) => {
          throw queueError('QUEUE_FORMAT', `A page has format version ${version}; use a newer release.`)
        },
      }),
      parked: createParkedLane({ queue, priority, count: start.parkedCount, onDamage: damagedRecord }),
      returned: createReturned(),
      ready: new Deque(),
      parkedNext: start.parkedNext,
      reading: undefined,
    }
    byPriority[priority] = band
    all.push(band)
    all.sort((a, b) => b.priority - a.priority)
    return band
  }

  function fill(band: Band): Promise<void> | undefined {
    const needsPages = band.pages.hasUnread() && band.pages.unreadBytes() < lowWaterBytes
    if (!band.reading && (needsPages || band.parked.mustRead())) {
      band.reading = Promise.all([needsPages && readPages(band), band.parked.mustRead() && readParked(band)])
        .then(() => undefined)
        .finally(() => {
          band.reading = undefined
          context.wake()
        })
      // Whoever waits for it is told; and where nobody does, the next read will tell.
      band.reading.catch(() => undefined)
    }
    return band.reading
  }

  async function readPages({ pages, priority }: Band): Promise<void> {
    const end = pages.next()
    const pairs = await store.read(async (database) => {
      const some = await readSome(database, pages.range(), readPairs)
      const last = some.at(-1)
      if (last?.[0][9] !== 0) return some
      // The chunk ended between a page and its state.
      const key = pageKey(queue, pages.lane, last[0].readUIntBE(3, 6), 1)
      const state = await readOne(database, key)
      return state ? [...some, [key, state] as Pair] : some
    })
    for (const loss of pages.load(pairs, end)) report(priority, loss)
  }

  async function readParked({ parked }: Band): Promise<void> {
    const range = parked.beginRead()
    parked.load(await store.read((database) => readSome(database, range, readPairs)))
  }

  function report(priority: number, { from, to, messages, bytes, reason }: LaneLoss): void {
    forget(messages, bytes)
    events.emit('lost', { lane: 'ready', priority, from, to, messages, reason })
  }

  function damagedRecord(key: Buffer, value: Buffer): void {
    quarantine(key, value, 'move')
    forget(1, value.length)
    const priority = priorityOf(key[2]!)
    const seq = key.readUIntBE(10, 6)
    events.emit('lost', {
      lane: 'delayed',
      priority,
      from: seq,
      to: seq,
      messages: 1,
      reason: 'checksum of record',
    })
  }

  function forget(messages: number, bytes: number): void {
    totals.messages -= messages
    totals.admittedMessages -= messages
    totals.bytes = Math.max(0, totals.bytes - bytes)
    totals.admittedBytes = Math.max(0, totals.admittedBytes - bytes)
    totals.lost += messages
    context.commit()
  }

  function quarantine(key: Buffer, value: Buffer, how: 'copy' | 'move'): void {
    context.operations.push([Buffer.concat([laneKey(queue, quarantineLane), key]), value])
    if (how === 'move') context.operations.push([key, undefined])
  }

  function ends(): Map<number, LaneEnd> {
    const rows = new Map<number, LaneEnd>()
    for (const { priority, pages, parkedNext } of all) {
      rows.set(readyLaneOf(priority), { next: pages.next(), bytes: pages.bytes(), head: pages.head() })
      rows.set(delayedLaneOf(priority), { next: parkedNext, bytes: 0, head: 0 })
    }
    return rows
  }
}

/** Deletes a message where it is stored. Its checkpoint stays. */
export function finishAt(band: Band, operations: Operation[], message: Message): void {
  if (message.home.kind === 'page') band.pages.finish(message.home.page, message.home.index)
  else band.parked.finish(operations, message)
}
