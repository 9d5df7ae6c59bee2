import type { Band, Bands } from './bands.ts'
import type { Context } from './context.ts'
import type { Dedupe, Known } from './dedupe.ts'
import { delayedLaneOf, pageKey, readyLaneOf } from './format/keys.ts'
import type { Entry, PageHeader } from './format/page.ts'
import { entryBytes, type PageBuffers, PageWriter } from './format/page-writer.ts'
import type { Placement } from './options.ts'
import { type Message, messageId } from './state/message.ts'
import type { Operation } from './state/operations.ts'
import { type Submission, withOwnPayloads } from './submission.ts'
import type { Enqueued } from './types.ts'

/** What one commit stores anew: encoded as it comes, while the commit before is being written. */
export interface Intake {
  readonly messages: number
  readonly bytes: number
  /** Has copied all payloads when it returns. */
  add(submission: Submission): void
  /** Looks up the keys; undefined where there are none. Once, and no `add` after it. */
  lookUp(): Promise<void> | undefined
  /** Gives sequence numbers and closes the pages; undefined where all was rejected. Once, after `lookUp`. */
  prepare(): Prepared | undefined
  /** It will not be written: tells the producers, and gives back the room. */
  giveUp(error: unknown): void
}

export interface Prepared {
  readonly operations: Operation[]
  /** A key that only this commit puts. */
  readonly probe: Buffer | undefined
  /** Where each lane ends once this is written. */
  readonly ends: ReadonlyMap<number, number>
  /** It is written: makes the messages visible and tells the producers. */
  accept(): void
  /** Tells the producers that it cannot be told for now whether it is written. */
  doubt(error: unknown): void
  /** It is not written. May follow `doubt`. */
  giveUp(error: unknown): void
}

export interface IntakeParts<T> {
  context: Context<T>
  bands: Bands
  dedupe: Dedupe
  buffers: PageBuffers
}

/** What is added to one lane. */
interface Tail {
  readonly band: Band
  readonly lane: number
  /** Its first sequence number: where the lane ends. Known from `prepare` on, when nothing is being written. */
  first: number
  count: number
  /** Whose messages those are, in order. */
  readonly submissions: Submission[]
  readonly writers: PageWriter[]
}

interface Delayed {
  readonly entry: Entry
  readonly tail: Tail
  readonly number: number
  readonly delayMs: number
}

interface NewPage {
  readonly band: Band
  readonly writer: PageWriter
  readonly header: PageHeader
  readonly bytes: Buffer
}

export function createIntake<T>({ context, bands, dedupe, buffers }: IntakeParts<T>): Intake {
  const { queue, epoch, totals, settings } = context
  const tails = new Map<number, Tail>()
  const delayed: Delayed[] = []
  /** Those with a key and all behind them, in order, until the keys are looked up. */
  const undecided: Submission[] = []
  const duplicates: { submission: Submission; known: Known }[] = []
  const newKeys = new Map<string, Known>()
  let isTold = false
  let isGivenUp = false
  // Fields, not getters: V8 keeps the getters of the latest of many alike objects, and with them all they can see.
  const intake = { messages: 0, bytes: 0, add, lookUp, prepare, giveUp }
  return intake

  function add(submission: Submission): void {
    intake.messages += submission.messages
    intake.bytes += submission.bytes
    const { key, delayMs } = submission.placement
    if (undecided.length > 0 || key !== undefined) undecided.push(withOwnPayloads(submission))
    else place(delayMs > 0 ? withOwnPayloads(submission) : submission)
  }

  function place(submission: Submission): void {
    const { placement } = submission
    const tail = tailOf(placement)
    tail.submissions.push(submission)
    if (!submission.isMany) put(submission, tail, placement.delayMs)
    else for (const entry of submission.entries) put(entry, tail, placement.delayMs)
  }

  function put(entry: Entry, tail: Tail, delayMs: number): void {
    const number = tail.count++
    if (delayMs > 0) delayed.push({ entry, tail, number, delayMs })
    else writerFor(tail, entry).add(entry)
  }

  function tailOf({ priority, delayMs }: Placement): Tail {
    const lane = delayMs > 0 ? delayedLaneOf(priority) : readyLaneOf(priority)
    const known = tails.get(lane)
    if (known) return known
    const band = bands.of(priority)
    const tail = { band, lane, first: 0, count: 0, submissions: [], writers: [] }
    tails.set(lane, tail)
    return tail
  }

  function writerFor({ writers }: Tail, entry: Entry): PageWriter {
    const size = entryBytes(entry)
    const open = writers.at(-1)
    if (open?.hasRoomFor(size)) return open
    const writer = new PageWriter(buffers.take(size))
    writers.push(writer)
    return writer
  }

  function lookUp(): Promise<void> | undefined {
    return undecided.length > 0 ? decide() : undefined
  }

  /** Places what has a new key or none. */
  async function decide(): Promise<void> {
    const keys = undecided.flatMap(({ placement }) => placement.key ?? [])
    const known = await dedupe.lookup(keys).catch(giveUp)
    if (!known) return
    const until = Math.floor(context.queueTime()) + settings.dedupeWindowMs
    for (const submission of undecided) {
      const { key } = submission.placement
      const before = key === undefined ? undefined : known.get(key)
      if (before) duplicates.push({ submission, known: before })
      else {
        const tail = tailOf(submission.placement)
        const { lane, count } = tail
        if (key !== undefined) remember(key, { lane, seq: endOf(tail) + count, epoch, until })
        place(submission)
      }
    }

    function remember(key: string, first: Known): void {
      known!.set(key, first)
      newKeys.set(key, first)
    }
  }

  function prepare(): Prepared | undefined {
    if (isGivenUp) return undefined
    for (const tail of tails.values()) tail.first = endOf(tail)
    const writtenAt = Math.floor(context.queueTime())
    const operations: Operation[] = []
    const pages = [...tails.values()].flatMap((tail) => closePages(tail, writtenAt))
    for (const { header, bytes } of pages)
      operations.push([pageKey(queue, header.lane, header.firstSeq, 0), bytes])
    const records = delayed.map((arrival) => toRecord(operations, arrival, writtenAt))
    for (const [key, known] of newKeys) dedupe.remember(operations, key, known)
    const ends = new Map([...tails.values()].map(({ lane, first, count }) => [lane, first + count]))
    return {
      operations,
      probe: operations[0]?.[0],
      ends,
      accept: () => accept(pages, records),
      doubt,
      giveUp,
    }
  }

  function closePages({ band, lane, first, writers }: Tail, writtenAt: number): NewPage[] {
    let firstSeq = first
    let bytesBefore = band.pages.bytes()
    return writers.map((writer) => {
      const head = band.pages.head()
      const written = writer.close({ queue, lane, firstSeq, epoch, bytesBefore, writtenAt, head })
      firstSeq += writer.count
      bytesBefore += writer.payloadBytes
      return { band, writer, ...written }
    })
  }

  function toRecord(operations: Operation[], arrival: Delayed, writtenAt: number): Message {
    const { entry, tail, number, delayMs } = arrival
    const { band, lane } = tail
    const place = { lane, seq: tail.first + number, time: writtenAt + delayMs }
    const message: Message = {
      payload: entry.payload,
      expiresAt: entry.expiresAt,
      group: entry.group,
      lane,
      seq: place.seq,
      epoch,
      priority: band.priority,
      attempts: 0,
      error: undefined,
      checkpoint: 'none',
      home: { kind: 'parked', place, hasAttempts: false },
      holder: undefined,
    }
    band.parked.put(operations, message, place, writtenAt)
    return message
  }

  function accept(pages: readonly NewPage[], records: readonly Message[]): void {
    for (const { band, writer, header, bytes } of pages)
      if (!band.pages.append(header, bytes) || bytes.buffer !== writer.buffer.buffer)
        buffers.giveBack(writer.buffer)
    for (const message of records) {
      const band = bands.of(message.priority)
      band.parkedNext = Math.max(band.parkedNext, message.seq + 1)
      band.parked.parked(message, false)
    }
    forgetDuplicates()
    totals.messages += intake.messages
    totals.bytes += intake.bytes
    totals.enqueued += intake.messages
    for (const tail of tails.values()) tellAll(tail)
    for (const { submission, known } of duplicates)
      if (!submission.isMany) submission.resolve({ id: messageId(known.epoch, known), duplicate: true })
  }

  function forgetDuplicates(): void {
    for (const { submission } of duplicates) {
      totals.duplicates++
      totals.admittedMessages -= submission.messages
      totals.admittedBytes -= submission.bytes
      intake.messages -= submission.messages
      intake.bytes -= submission.bytes
    }
  }

  function tellAll({ lane, first, submissions }: Tail): void {
    let seq = first
    for (const submission of submissions) {
      tell(submission, lane, seq)
      seq += submission.messages
    }
  }

  function tell(submission: Submission, lane: number, first: number): void {
    if (!submission.isMany) submission.resolve(receipt(lane, first))
    else submission.resolve(submission.entries.map((_, index) => receipt(lane, first + index)))
  }

  function receipt(lane: number, seq: number): Enqueued {
    return { id: messageId(epoch, { lane, seq }), duplicate: false }
  }

  function doubt(error: unknown): void {
    if (isTold) return
    isTold = true
    for (const { submissions } of tails.values())
      for (const submission of submissions) submission.reject(error)
    for (const { submission } of duplicates) submission.reject(error)
    for (const submission of undecided) submission.reject(error)
  }

  function giveUp(error: unknown): undefined {
    isGivenUp = true
    doubt(error)
    dedupe.forget([...newKeys.keys()])
    totals.admittedMessages -= intake.messages
    totals.admittedBytes -= intake.bytes
  }
}

/** Where the lane ends that this is added to. */
function endOf({ band, lane }: Tail): number {
  return lane === band.pages.lane ? band.pages.next() : band.parkedNext
}
