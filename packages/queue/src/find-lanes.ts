import type { BandStart } from './bands.ts'
import { queueError } from './errors.ts'
import {
  deadLane,
  delayedLaneOf,
  laneEnd,
  laneKey,
  metaLane,
  pageKey,
  pageKeyBytes,
  parkedKeyBytes,
  priorities,
  readParkedKey,
  readyLaneOf,
} from './format/keys.ts'
import { type Meta, readMeta } from './format/meta.ts'
import { maxPageMessages, type PageHeader, type PagePlace, readHeader, readPage } from './format/page.ts'
import { readState, stateWrittenAt } from './format/page-state.ts'
import { readRecord } from './format/record.ts'
import { type Database, readAll, readOne, readSome } from './store/database.ts'

/** What is on disk of one queue. */
export interface Found {
  bands: BandStart[]
  /** The record that the last owner left; undefined if there is none, or it is damaged. */
  meta: Meta | undefined
  /** Whether the queue was there at all. */
  isNew: boolean
  dead: number
  /** Unfinished messages, and their bytes. */
  messages: number
  bytes: number
  /** The latest queue time that was written. */
  queueTime: number
}

/** Finds where the lanes of a queue begin and end, from their ends and the record; pages between are not read. */
export async function findLanes(database: Database, queue: number): Promise<Found> {
  const bytes = await readOne(database, laneKey(queue, metaLane))
  const meta = bytes && readMeta(bytes)
  if (meta && 'newerVersion' in meta) throw newerFormat(meta.newerVersion)
  const found: Found = {
    ...{ bands: [], meta, isNew: false, dead: 0, messages: 0, bytes: 0 },
    queueTime: meta?.queueTime ?? 0,
  }
  for (let priority = 0; priority < priorities; priority++) {
    const isInUse = meta ? meta.lanes.has(readyLaneOf(priority)) : true
    if (isInUse) await findBand(database, queue, priority, found)
  }
  for await (const [key] of readAll(database, rangeOf(queue, deadLane)))
    if (key.length === parkedKeyBytes) found.dead++
  found.isNew = bytes === undefined && found.bands.length === 0 && found.dead === 0
  return found
}

async function findBand(database: Database, queue: number, priority: number, found: Found): Promise<void> {
  const lane = readyLaneOf(priority)
  const known = found.meta?.lanes.get(lane)
  const parkedNext = found.meta?.lanes.get(delayedLaneOf(priority))?.next ?? 0
  const last = await lastPage(database, queue, lane)
  if (last) found.queueTime = Math.max(found.queueTime, last.writtenAt)
  const next = Math.max(known?.next ?? 0, last ? last.firstSeq + last.count : 0)
  const bytes = Math.max(known?.bytes ?? 0, last ? last.bytesBefore + last.payloadBytes : 0)
  const band: BandStart = {
    priority,
    next,
    bytes,
    head: next,
    bytesBefore: bytes,
    parkedCount: 0,
    parkedNext,
  }
  if (last) await findHead(database, queue, band, Math.max(last.head, known?.head ?? 0), found)
  // The record is written with every deletion: what should be there by it, and is not, was lost. Without
  // one, which takes damage, the last page tells where the lane began when it was written: too early, if at all.
  const head = found.meta ? known?.head : last?.head
  if (head !== undefined && head < band.head) {
    found.messages += band.head - head
    band.head = head
  }
  await countParked(database, queue, band, found)
  const isUsed = next > 0 || parkedNext > 0 || band.parkedCount > 0
  if (isUsed) found.bands.push(band)
}

/** The header of the last page that can be read; of a damaged one, no more than where it stands. */
async function lastPage(database: Database, queue: number, lane: number): Promise<PageHeader | undefined> {
  const range = { ...rangeOf(queue, lane), reverse: true }
  for (const [key, value] of await readSome(database, range, 2)) {
    const firstSeq = key.readUIntBE(3, 6)
    const body = key[9] === 0 ? value : await readOne(database, pageKey(queue, lane, firstSeq, 0))
    const header = body && headerOf(body, { queue, lane, firstSeq })
    if (header) return header
    const count = body && body.length > 4 ? Math.min(Math.max(body.readUInt16BE(2), 1), maxPageMessages) : 1
    return {
      ...{ queue, lane, firstSeq, count, epoch: 0n, bytesBefore: 0, writtenAt: 0, payloadBytes: 0, head: 0 },
    }
  }
  return undefined
}

/**
 * The first page, and what is finished behind it. A state record is written
 * for every page that was handed out from while another one is: so the first
 * page without one ends the search.
 */
async function findHead(
  database: Database,
  queue: number,
  band: BandStart,
  hint: number,
  found: Found,
): Promise<void> {
  const lane = readyLaneOf(band.priority)
  const range = { gte: pageKey(queue, lane, hint, 0), lt: laneEnd(queue, lane) }
  let page: { header: PageHeader; body: Buffer } | undefined
  let isFirst = true
  let finishedBytes = 0
  for await (const [key, value] of readAll(database, range)) {
    if (key.length !== pageKeyBytes) continue
    const firstSeq = key.readUIntBE(3, 6)
    if (key[9] === 0) {
      if (page) break
      const header = headerOf(value, { queue, lane, firstSeq })
      page = header && { header, body: value }
      if (isFirst) {
        band.head = Math.min(firstSeq, band.next)
        band.bytesBefore = header?.bytesBefore ?? band.bytes
        isFirst = false
      }
    } else if (page?.header.firstSeq === firstSeq) {
      found.queueTime = Math.max(found.queueTime, stateWrittenAt(value))
      const finished = finishedIn(page.header, page.body, value)
      found.messages -= finished.messages
      finishedBytes += finished.bytes
      page = undefined
    }
  }
  found.messages += band.next - band.head
  found.bytes += Math.max(0, band.bytes - band.bytesBefore - finishedBytes)
}

function finishedIn(
  header: PageHeader,
  body: Buffer,
  stateBytes: Buffer,
): { messages: number; bytes: number } {
  const state = readState(stateBytes, header)
  const page = readPage(body, header)
  const finished = { messages: 0, bytes: 0 }
  state?.finished.forEach((isFinished, index) => {
    if (!isFinished) return
    finished.messages++
    finished.bytes += page.entry(index)?.payload.byteLength ?? 0
  })
  return finished
}

/** Reads all that is parked: how long that takes grows with how much it is. */
async function countParked(database: Database, queue: number, band: BandStart, found: Found): Promise<void> {
  const lane = delayedLaneOf(band.priority)
  for await (const [key, value] of readAll(database, rangeOf(queue, lane))) {
    if (key.length !== parkedKeyBytes || key[16] !== 0) continue
    const place = readParkedKey(key)
    const record = readRecord(value, { queue, storedIn: lane }, place)
    if (place.lane === lane) band.parkedNext = Math.max(band.parkedNext, place.seq + 1)
    band.parkedCount++
    found.messages++
    found.bytes += record?.payload.byteLength ?? value.length
    found.queueTime = Math.max(found.queueTime, record?.writtenAt ?? 0)
  }
}

function headerOf(bytes: Buffer, place: PagePlace): PageHeader | undefined {
  const header = readHeader(bytes, place)
  if (header && 'newerVersion' in header) throw newerFormat(header.newerVersion)
  return header
}

function rangeOf(queue: number, lane: number): { gte: Buffer; lt: Buffer } {
  return { gte: laneKey(queue, lane), lt: laneEnd(queue, lane) }
}

function newerFormat(version: number): Error {
  return queueError('QUEUE_FORMAT', `The queue has format version ${version}; use a newer release.`, {
    fields: { version },
  })
}
