import { type Bands, finishAt } from './bands.ts'
import type { Context } from './context.ts'
import { checkpointKey, deadLane, type ParkedPlace, parkedKey } from './format/keys.ts'
import { errorText } from './format/page-state.ts'
import { encodeRecord } from './format/record.ts'
import { createDeferred, type Deferred } from './state/deferred.ts'
import type { Groups } from './state/groups.ts'
import { type Message, messageId } from './state/message.ts'

/** The end of a message that nobody acknowledged. */
type End = 'bury' | 'expire' | 'drop'

/** The end of a delivery, or of a message. */
export interface Settlement {
  readonly message: Message
  readonly kind: 'ack' | 'retry' | 'release' | End
  /** For a retry: milliseconds until it goes out again. */
  readonly delayMs: number
}

/** What waits for a commit. */
export interface Waiter {
  resolve(): void
  reject(error: Error): void
}

export interface Settlements {
  /** How many wait to be written. */
  waiting(): number
  add(settlement: Settlement): void
  /** Adds it; resolves to `true` once its effect is on disk, and rejects where it never will be. */
  settle(settlement: Settlement): Promise<boolean>
  /** Turns all that wait into operations; the result finishes them once those are written. */
  apply(): Waiter | undefined
}

/** Where a message that may go out again, now or later, is given. */
export interface Redelivery {
  now(message: Message): void
  /** Before all that went out after it. */
  next(message: Message): void
  /** After so many milliseconds; only in memory. */
  later(message: Message, delayMs: number): void
}

export function createSettlements<T>(
  context: Context<T>,
  bands: Bands,
  groups: Groups,
  redelivery: Redelivery,
): Settlements {
  const { queue, operations, totals, events } = context
  let waiting: Settlement[] = []
  /** Of all that wait: they end in one commit, so one promise does for them. */
  let ended: Deferred<boolean> | undefined
  return {
    apply,
    add,
    waiting: () => waiting.length,
    settle(settlement) {
      add(settlement)
      ended ??= createDeferred()
      return ended.promise
    },
  }

  function add(settlement: Settlement): void {
    if (waiting.push(settlement) === 1) context.commit()
  }

  function apply(): Waiter | undefined {
    if (waiting.length === 0) return undefined
    const batch = waiting
    const batchEnded = ended
    waiting = []
    ended = undefined
    const writtenAt = Math.floor(context.queueTime())
    for (const { message, kind, delayMs } of batch) {
      if (kind === 'retry') prepareRetry(message, delayMs, writtenAt)
      else if (kind === 'release') uncount(message)
      else finish(message, kind === 'bury' ? writtenAt : undefined)
    }
    return {
      resolve: () => {
        for (const settlement of batch) conclude(settlement)
        batchEnded?.resolve(true)
      },
      reject: (error) => batchEnded?.reject(error),
    }
  }

  function prepareRetry(message: Message, delayMs: number, writtenAt: number): void {
    const band = bands.of(message.priority)
    const { home } = message
    const staysInPlace = message.group !== undefined || delayMs === 0
    if (staysInPlace && home.kind === 'page') {
      if (message.error !== undefined) home.page.state.errors.set(home.index, message.error)
      band.pages.touch(home.page)
    } else if (staysInPlace) band.parked.touch(operations, message)
    else {
      finishAt(band, operations, message)
      const place = { lane: message.lane, seq: message.seq, time: writtenAt + delayMs }
      band.parked.put(operations, message, place, writtenAt)
      message.home = { kind: 'parked', place, hasAttempts: false }
    }
  }

  /** The delivery did not happen. That it may have left a checkpoint is kept. */
  function uncount(message: Message): void {
    const { home } = message
    const band = bands.of(message.priority)
    message.attempts--
    if (home.kind === 'parked') band.parked.touch(operations, message)
    else {
      const { state } = home.page
      state.attempts[home.index] = message.attempts
      if (message.attempts === 0 && message.checkpoint !== 'none') state.released.add(home.index)
      band.pages.touch(home.page)
    }
  }

  function finish(message: Message, diedAt: number | undefined): void {
    finishAt(bands.of(message.priority), operations, message)
    if (diedAt !== undefined) {
      const place: ParkedPlace = { lane: message.lane, seq: message.seq, time: diedAt }
      const record = { ...message, ...place, writtenAt: diedAt }
      operations.push([
        parkedKey(queue, deadLane, place, 0),
        encodeRecord({ queue, storedIn: deadLane }, record),
      ])
    }
    if (message.checkpoint !== 'none') operations.push([checkpointKey(queue, message), undefined])
  }

  function conclude({ message, kind, delayMs }: Settlement): void {
    if (kind === 'retry') concludeRetry(message, delayMs)
    else if (kind === 'release') concludeRelease(message)
    else concludeFinish(message, kind)
  }

  function concludeRetry(message: Message, delayMs: number): void {
    totals.retried++
    if (delayMs === 0) redelivery.now(message)
    else if (message.group !== undefined) redelivery.later(message, delayMs)
    else bands.of(message.priority).parked.parked(message, false)
  }

  function concludeRelease(message: Message): void {
    totals.released++
    redelivery.next(message)
  }

  function concludeFinish(message: Message, kind: 'ack' | End): void {
    totals.messages--
    totals.admittedMessages--
    totals.bytes -= message.payload.byteLength
    totals.admittedBytes -= message.payload.byteLength
    const next = groups.release(message)
    if (next) redelivery.now(next)
    tell(message, kind)
  }

  function tell(message: Message, kind: 'ack' | End): void {
    if (kind === 'ack') return void totals.acknowledged++
    const id = messageId(message.epoch, message)
    if (kind === 'bury') {
      totals.buried++
      totals.dead++
      events.emit('buried', { id, attempts: message.attempts, error: message.error ?? '' })
    } else if (kind === 'expire') {
      totals.expired++
      events.emit('expired', id)
    } else {
      totals.dropped++
      events.emit('dropped', id)
    }
  }
}

/** The text kept of a failure; the former one where none is given. */
export function noteError(message: Message, error: unknown): void {
  if (error !== undefined) message.error = errorText(error)
}
