import type { Admission, Submission } from './admission.ts'
import type { Bands } from './bands.ts'
import type { Context } from './context.ts'
import type { Dedupe, Known } from './dedupe.ts'
import {
  delayedLaneOf,
  maxSeq,
  type Origin,
  type ParkedPlace,
  pageKey,
  priorityOf,
  readyLaneOf,
} from './format/keys.ts'
import {
  type Entry,
  encodePage,
  entryBytes,
  maxPageBytes,
  maxPageMessages,
  type PageHeader,
} from './format/page.ts'
import type { Message } from './state/message.ts'
import { messageId } from './state/message.ts'
import type { Operation } from './state/operations.ts'
import type { Enqueued } from './types.ts'

/** What one commit stores anew. */
export interface Intake {
  readonly operations: Operation[]
  /** A key that only this commit puts. */
  readonly probe: Buffer | undefined
  /** Where each lane ends once this is written. */
  readonly ends: ReadonlyMap<number, number>
  /** It is written: makes the messages visible and tells the producers. */
  accept(): void
  /** It is not, or not known to be. May be called before `accept` and before itself. */
  reject(error: unknown): void
  /** It is certain not to be: gives back the room. */
  abandon(): void
}

interface Arrival {
  entry: Entry
  submission: Submission
  origin: Origin
}

interface NewPage {
  header: PageHeader
  bytes: Buffer
}

/** Turns submissions into pages and records. Sequence numbers are given here, and count once `accept` was called. */
export async function prepareIntake<T>(
  context: Context<T>,
  bands: Bands,
  dedupe: Dedupe,
  admission: Admission,
): Promise<Intake | undefined> {
  const submissions = admission.next()
  if (submissions.length === 0) return undefined
  const { queue, epoch, totals } = context
  const newKeys = new Map<string, Known>()
  let isTold = false
  const keyed = submissions.filter(({ placement }) => placement.key !== undefined)
  let known = new Map<string, Known>()
  try {
    if (keyed.length > 0) known = await dedupe.lookup(keyed.map(({ placement }) => placement.key!))
  } catch (error) {
    reject(error)
    abandon()
    return undefined
  }
  const writtenAt = Math.floor(context.queueTime())
  const operations: Operation[] = []
  const ends = new Map<number, number>()
  const results = new Map<Submission, Arrival[] | Known>()
  const byPriority: (Arrival[] | undefined)[] = []
  const delayed: (Arrival & { place: ParkedPlace })[] = []
  for (const submission of submissions) place(submission)
  const pages = byPriority.flatMap((arrivals, priority) => (arrivals ? toPages(arrivals, priority) : []))
  const records = delayed.map(toRecord)
  for (const [key, first] of newKeys) dedupe.remember(operations, key, first)
  return { operations, probe: operations[0]?.[0], ends, accept, reject, abandon }

  function place(submission: Submission): void {
    const { key, priority, delayMs } = submission.placement
    const before = key === undefined ? undefined : known.get(key)
    if (before) return void results.set(submission, before)
    const lane = delayMs > 0 ? delayedLaneOf(priority) : readyLaneOf(priority)
    const band = bands.of(priority)
    let next = ends.get(lane) ?? (delayMs > 0 ? band.parkedNext : band.pages.next)
    const arrivals = submission.entries.map((entry) => ({ entry, submission, origin: { lane, seq: next++ } }))
    if (next > maxSeq) throw new RangeError('sequence numbers are used up')
    ends.set(lane, next)
    results.set(submission, arrivals)
    if (delayMs > 0)
      for (const one of arrivals)
        delayed.push({ ...one, place: { ...one.origin, time: writtenAt + delayMs } })
    else {
      byPriority[priority] ??= []
      for (const one of arrivals) byPriority[priority]!.push(one)
    }
    if (key !== undefined) remember(key, arrivals[0]!.origin)
  }

  function remember(key: string, origin: Origin): void {
    const first = { ...origin, epoch, until: writtenAt + context.settings.dedupeWindowMs }
    known.set(key, first)
    newKeys.set(key, first)
  }

  function toPages(arrivals: readonly Arrival[], priority: number): NewPage[] {
    const { pages } = bands.of(priority)
    const made: NewPage[] = []
    let bytesBefore = pages.bytes
    for (let start = 0; start < arrivals.length; ) {
      const end = endOfPage(arrivals, start)
      const entries = arrivals.slice(start, end).map(({ entry }) => entry)
      const { lane, seq: firstSeq } = arrivals[start]!.origin
      const stamp = { queue, lane, firstSeq, epoch, bytesBefore, writtenAt, head: pages.head }
      const payloadBytes = entries.reduce((sum, { payload }) => sum + payload.byteLength, 0)
      const bytes = encodePage(stamp, entries)
      operations.push([pageKey(queue, lane, firstSeq, 0), bytes])
      made.push({ header: { ...stamp, count: entries.length, payloadBytes }, bytes })
      bytesBefore += payloadBytes
      start = end
    }
    return made
  }

  function toRecord({ entry, submission, origin, place }: (typeof delayed)[number]): Message {
    const { priority } = submission.placement
    const message: Message = {
      ...entry,
      ...origin,
      epoch,
      priority,
      attempts: 0,
      error: undefined,
      checkpoint: 'none',
      home: { kind: 'parked', place, hasAttempts: false },
      holder: undefined,
    }
    bands.of(priority).parked.put(operations, message, place, writtenAt)
    return message
  }

  function accept(): void {
    for (const { header, bytes } of pages) bands.of(priorityOf(header.lane)).pages.append(header, bytes)
    for (const message of records) {
      const band = bands.of(message.priority)
      band.parkedNext = Math.max(band.parkedNext, message.seq + 1)
      band.parked.parked(message, false)
    }
    for (const [submission, result] of results) {
      if (Array.isArray(result)) count(submission)
      else admission.giveBack(submission.entries.length, submission.bytes)
      submission.resolve(toEnqueued(result))
    }
  }

  function count({ entries, bytes }: Submission): void {
    totals.messages += entries.length
    totals.bytes += bytes
    totals.enqueued += entries.length
  }

  function toEnqueued(result: Arrival[] | Known): Enqueued[] {
    if (Array.isArray(result))
      return result.map(({ origin }) => ({ id: messageId(epoch, origin), duplicate: false }))
    totals.duplicates++
    return [{ id: messageId(result.epoch, result), duplicate: true }]
  }

  function reject(error: unknown): void {
    if (isTold) return
    isTold = true
    for (const submission of submissions) submission.reject(error)
  }

  function abandon(): void {
    dedupe.forget([...newKeys.keys()])
    for (const submission of submissions) admission.giveBack(submission.entries.length, submission.bytes)
  }
}

/** As many as a page takes, at least one. */
function endOfPage(arrivals: readonly Arrival[], start: number): number {
  let end = start
  let bytes = 0
  while (end < arrivals.length && end - start < maxPageMessages) {
    bytes += entryBytes(arrivals[end]!.entry)
    if (end > start && bytes > maxPageBytes) break
    end++
  }
  return end
}
