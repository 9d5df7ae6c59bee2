import { laneEnd, pageKey, pageKeyBytes, priorityOf } from '../format/keys.ts'
import { type PageBody, type PageHeader, readHeader, readPage } from '../format/page.ts'
import { createState, encodeState, type PageState, readState } from '../format/page-state.ts'
import type { Pair, Range } from '../store/database.ts'
import { Deque } from './deque.ts'
import type { Message } from './message.ts'
import type { Operation } from './operations.ts'

const maxStubs = 256
const maxPinnedBytes = 32 * 2 ** 20

/** A page in memory, from when it is read or written until it is deleted. */
export interface Page {
  readonly header: PageHeader
  /** Given up as soon as all its messages are finished. */
  body: PageBody | undefined
  readonly state: PageState
  /** Messages that are not finished. */
  live: number
  /** Index of the first message that was not handed out. */
  next: number
  hasState: boolean
  messages: (Message | undefined)[]
}

export interface LaneLoss {
  from: number
  to: number
  messages: number
  bytes: number
  reason: string
}

/**
 * The messages of one priority: pages in order of sequence, of which a window
 * is in memory, from the first that is on disk to the last that was read.
 *
 * Only finished pages at the front are deleted, others keep a state record: so
 * each sequence number between the front and the end that no page covers is lost.
 */
export interface PageLane {
  readonly lane: number
  /** The sequence number that the next message gets. */
  next(): number
  /** Payload bytes ever put in it. */
  bytes(): number
  /** The first sequence number that may still be on disk. */
  head(): number
  /** Whether there is something on disk that was not read yet. */
  hasUnread(): boolean
  /** Payload bytes that were read and not handed out. */
  unreadBytes(): number
  /**
   * The first page of all, where it alone holds up too much: finished pages
   * behind it that cannot be deleted, or memory.
   */
  straggler(): Page | undefined
  /** Queue time at which the oldest page in memory was written. */
  oldestAt(): number | undefined
  /** Takes over a page that was written just now; whether it keeps the bytes: if what comes before is in memory, too. */
  append(header: PageHeader, page: Buffer): boolean
  /** The next message that was never handed out, if it is in memory. */
  take(): Message | undefined
  /** Its attempts changed: goes with the next commit. */
  touch(page: Page): void
  finish(page: Page, index: number): void
  /** What is to be written: states that changed, and deletions. The result counts the deleted. */
  flush(operations: Operation[], writtenAt: number): { pages: number; bytes: number }
  /** What to read next. */
  range(): Range
  /** Takes what was read from there, in order. `end` is what `next` was when the reading began. */
  load(pairs: readonly Pair[], end: number): LaneLoss[]
}

export interface LaneStart {
  queue: number
  lane: number
  head: number
  next: number
  bytes: number
  /** Payload bytes ever put in before `head`. */
  bytesBefore: number
  /** How many payload bytes to keep in memory for a consumer that has caught up. */
  hotBytes: number
  /** Sets aside a damaged page: a copy of it, or the page itself. */
  quarantine(key: Buffer, value: Buffer, how: 'copy' | 'move'): void
  onNewerVersion(version: number): void
}

export function createPageLane(start: LaneStart): PageLane {
  const { queue, lane, hotBytes, quarantine } = start
  const priority = priorityOf(lane)
  const pages = new Deque<Page>()
  const dirty = new Set<Page>()
  /** Index of the page to hand out from. */
  let cursor = 0
  let { head, next, bytes } = start
  let loadedTo = head
  /** Payload bytes ever put in before `loadedTo`. */
  let loadedBytes = start.bytesBefore
  let readTo = head
  let unreadBytes = 0
  /** Finished pages in memory. */
  let stubs = 0
  let pinnedBytes = 0
  return {
    lane,
    append,
    take,
    touch: (page) => void dirty.add(page),
    finish,
    flush,
    load,
    next() {
      return next
    },
    bytes() {
      return bytes
    },
    head() {
      return head
    },
    hasUnread() {
      return loadedTo < next
    },
    unreadBytes() {
      return unreadBytes
    },
    straggler() {
      const strained = stubs > maxStubs || pinnedBytes > maxPinnedBytes
      const first = strained && cursor > 0 ? pages.at(0) : undefined
      return first && first.live > 0 ? first : undefined
    },
    oldestAt() {
      return pages.at(0)?.header.writtenAt
    },
    range() {
      return { gte: pageKey(queue, lane, Math.max(loadedTo, readTo), 0), lt: laneEnd(queue, lane) }
    },
  }

  function append(header: PageHeader, page: Buffer): boolean {
    const isNext = loadedTo === header.firstSeq
    next = header.firstSeq + header.count
    bytes += header.payloadBytes
    if (!isNext || (unreadBytes > 0 && unreadBytes + header.payloadBytes > hotBytes)) return false
    push(header, readPage(page, header, true), createState(header.count), false)
    return true
  }

  function push(header: PageHeader, body: PageBody, state: PageState, hasState: boolean): void {
    let live = header.count
    for (const finished of state.finished) live -= finished
    const page: Page = { header, body, state, live, next: 0, hasState, messages: [] }
    pages.push(page)
    pinnedBytes += header.payloadBytes
    loadedTo = header.firstSeq + header.count
    loadedBytes = header.bytesBefore + header.payloadBytes
    unreadBytes += header.payloadBytes
    if (live === 0) release(page)
  }

  function release(page: Page): void {
    page.body = undefined
    pinnedBytes -= page.header.payloadBytes
    stubs++
    dirty.add(page)
  }

  function take(): Message | undefined {
    for (let page = pages.at(cursor); page; page = pages.at(cursor)) {
      while (page.next < page.header.count) {
        const index = page.next++
        if (!page.state.finished[index]) return createMessage(page, index)
      }
      // Also pages of which nothing was handed out get a state now: a reader may stop at the first page without.
      dirty.add(page)
      cursor++
      unreadBytes -= page.header.payloadBytes
    }
    return undefined
  }

  function createMessage(page: Page, index: number): Message {
    const { header, state } = page
    const entry = page.body!.entry(index)!
    const message: Message = {
      lane,
      seq: header.firstSeq + index,
      epoch: header.epoch,
      priority,
      payload: entry.payload,
      expiresAt: entry.expiresAt,
      group: entry.group,
      attempts: state.attempts[index]!,
      error: state.errors.get(index),
      checkpoint: state.attempts[index] || state.released.has(index) ? undefined : 'none',
      home: { kind: 'page', page, index },
      holder: undefined,
    }
    page.messages[index] = message
    return message
  }

  function finish(page: Page, index: number): void {
    if (page.state.finished[index]) return
    page.state.finished[index] = 1
    page.state.errors.delete(index)
    page.state.released.delete(index)
    page.messages[index] = undefined
    page.live--
    dirty.add(page)
    if (page.live === 0) release(page)
  }

  function flush(operations: Operation[], writtenAt: number): { pages: number; bytes: number } {
    const deleted = { pages: 0, bytes: 0 }
    for (let page = pages.at(0); page && page.live === 0; page = pages.at(0)) {
      if (cursor > 0) cursor--
      else unreadBytes -= page.header.payloadBytes
      pages.shift()
      stubs--
      dirty.delete(page)
      deleted.pages++
      deleted.bytes += page.header.payloadBytes
      operations.push([pageKey(queue, lane, page.header.firstSeq, 0), undefined])
      if (page.hasState) operations.push([pageKey(queue, lane, page.header.firstSeq, 1), undefined])
    }
    head = pages.at(0)?.header.firstSeq ?? loadedTo
    for (const page of dirty) {
      page.hasState = true
      const key = pageKey(queue, lane, page.header.firstSeq, 1)
      operations.push([key, encodeState({ ...page.header, writtenAt }, page.state)])
    }
    dirty.clear()
    return deleted
  }

  function load(pairs: readonly Pair[], end: number): LaneLoss[] {
    const losses: LaneLoss[] = []
    pairs.forEach(([key, value], index) => {
      const firstSeq = key.readUIntBE(3, 6)
      if (key.length !== pageKeyBytes || key[9] !== 0 || firstSeq < loadedTo) return
      // Written, but not reported yet.
      if (firstSeq >= next) return
      readTo = firstSeq + 1
      const header = readHeader(value, { queue, lane, firstSeq })
      if (header && 'newerVersion' in header) start.onNewerVersion(header.newerVersion)
      else if (!header || firstSeq + header.count > next) quarantine(key, value, 'move')
      else {
        skipTo(firstSeq, header.bytesBefore, losses)
        const follower = pairs[index + 1]
        loadPage(header, value, follower && isStateOf(follower[0], key) ? follower[1] : undefined, losses)
      }
    })
    if (pairs.length === 0 && loadedTo < end) skipTo(end, end === next ? bytes : loadedBytes, losses)
    return losses
  }

  function skipTo(seq: number, bytesBefore: number, losses: LaneLoss[]): void {
    if (seq > loadedTo) {
      const lostBytes = Math.max(0, bytesBefore - loadedBytes)
      losses.push({
        from: loadedTo,
        to: seq - 1,
        messages: seq - loadedTo,
        bytes: lostBytes,
        reason: 'page missing',
      })
    }
    loadedTo = seq
    loadedBytes = bytesBefore
  }

  function loadPage(
    header: PageHeader,
    value: Buffer,
    stateBytes: Buffer | undefined,
    losses: LaneLoss[],
  ): void {
    const body = readPage(value, header)
    const state = (stateBytes && readState(stateBytes, header)) ?? createState(header.count)
    if (!body.isWhole) {
      quarantine(pageKey(queue, lane, header.firstSeq, 0), value, 'copy')
      salvage(body, state, losses)
    }
    push(header, body, state, stateBytes !== undefined)
  }

  function salvage(body: PageBody, state: PageState, losses: LaneLoss[]): void {
    for (let index = 0; index < body.count; index++) {
      if (state.finished[index] || body.entry(index)) continue
      const seq = body.firstSeq + index
      state.finished[index] = 1
      losses.push({
        from: seq,
        to: seq,
        messages: 1,
        bytes: body.entryLength(index),
        reason: 'checksum of message',
      })
    }
  }
}

function isStateOf(key: Buffer, bodyKey: Buffer): boolean {
  return key.length === pageKeyBytes && key[9] === 1 && key.compare(bodyKey, 0, 9, 0, 9) === 0
}
