import { type Band, type Bands, finishAt } from './bands.ts'
import type { Context } from './context.ts'
import type { Settlements } from './settlement.ts'
import type { Groups } from './state/groups.ts'
import type { Message } from './state/message.ts'
import type { Page } from './state/page-lane.ts'

/** Makes room: under the limits, and on the disk. */
export interface Room {
  /** Drops the oldest messages of the lowest priorities until the limits hold, or all that is left is in hand. */
  dropOldest(): Promise<void>
  /** Moves what is left of pages that hold up others to records of their own. */
  moveStragglers(): void
}

export interface RoomParts<T> {
  context: Context<T>
  bands: Bands
  groups: Groups
  settlements: Settlements
}

export function createRoom<T>({ context, bands, groups, settlements }: RoomParts<T>): Room {
  const { totals, settings, operations } = context
  return { dropOldest, moveStragglers }

  async function dropOldest(): Promise<void> {
    const { limits } = settings
    let { admittedMessages: messages, admittedBytes: bytes } = totals
    while (messages > limits.messages || bytes > limits.bytes) {
      const message = await oldest()
      if (!message) return
      messages--
      bytes -= message.payload.byteLength
      settlements.add({ message, kind: 'drop', delayMs: 0 })
    }
  }

  async function oldest(): Promise<Message | undefined> {
    for (const band of [...bands.all].reverse()) {
      const message = oldestOf(band)
      if (message) return message
      // Only a read is waited for that this very commit cannot hold up.
      await bands.fill(band)
      const read = oldestOf(band)
      if (read) return read
    }
    return undefined
  }

  function oldestOf({ priority, returned, ready, pages, parked }: Band): Message | undefined {
    const inMemory = returned.shift() ?? ready.shift() ?? groups.takeOldest(priority)
    return inMemory ?? pages.take() ?? parked.takeFirst()
  }

  function moveStragglers(): void {
    for (const band of bands.all)
      for (let page = band.pages.straggler(); page; page = band.pages.straggler()) movePage(band, page)
  }

  function movePage(band: Band, page: Page): void {
    const writtenAt = Math.floor(context.queueTime())
    for (const message of page.messages) {
      if (!message) continue
      const place = { lane: message.lane, seq: message.seq, time: writtenAt }
      finishAt(band, operations, message)
      band.parked.put(operations, message, place, writtenAt)
      message.home = { kind: 'parked', place, hasAttempts: false }
      if (message.attempts === 0 && message.checkpoint !== 'none') band.parked.touch(operations, message)
      band.parked.parked(message, true)
    }
  }
}
