import { checkInteger } from '@holdfast/core'
import type { Bands } from './bands.ts'
import type { Context } from './context.ts'
import { checkpointKey } from './format/keys.ts'
import type { ParkedRecord } from './format/record.ts'
import type { Inspection } from './inspection.ts'
import type { Message } from './state/message.ts'
import type { DeadLetterFilter } from './types.ts'

/** What can be done about the dead. */
export interface DeadLetter {
  requeue(filter: DeadLetterFilter): Promise<number>
  discard(filter: DeadLetterFilter): Promise<number>
}

export interface DeadLetterParts<T> {
  context: Context<T>
  bands: Bands
  inspection: Inspection<T>
  written(): Promise<void>
}

/** One call at a time: two that pick the same messages would count them twice. */
export function createDeadLetter<T>({ context, bands, inspection, written }: DeadLetterParts<T>): DeadLetter {
  const { operations, totals, queue } = context
  let last: Promise<unknown> = Promise.resolve()
  return {
    requeue: (filter) => inTurn(() => requeue(check(filter))),
    discard: (filter) => inTurn(() => discard(check(filter))),
  }

  function inTurn(operation: () => Promise<number>): Promise<number> {
    const turn = last.then(operation, operation)
    last = turn.catch(() => undefined)
    return turn
  }

  async function requeue(filter: DeadLetterFilter): Promise<number> {
    const picked = await inspection.dead(filter)
    const writtenAt = Math.floor(context.queueTime())
    const messages = picked.map(({ key, record }) => {
      operations.push([key, undefined])
      return revive(record, writtenAt)
    })
    totals.dead -= picked.length
    if (picked.length > 0) await written()
    for (const message of messages) {
      totals.messages++
      totals.bytes += message.payload.byteLength
      bands.of(message.priority).parked.parked(message, false)
    }
    context.wake()
    return picked.length
  }

  function revive(record: ParkedRecord, writtenAt: number): Message {
    const place = { lane: record.lane, seq: record.seq, time: writtenAt }
    const message: Message = {
      ...record,
      attempts: 0,
      checkpoint: undefined,
      home: { kind: 'parked', place, hasAttempts: false },
      holder: undefined,
    }
    totals.admittedMessages++
    totals.admittedBytes += message.payload.byteLength
    bands.of(message.priority).parked.put(operations, message, place, writtenAt)
    return message
  }

  async function discard(filter: DeadLetterFilter): Promise<number> {
    const picked = await inspection.dead(filter)
    for (const { key, record } of picked)
      operations.push([key, undefined], [checkpointKey(queue, record), undefined])
    totals.dead -= picked.length
    if (picked.length > 0) await written()
    return picked.length
  }
}

function check(filter: DeadLetterFilter): DeadLetterFilter {
  if (filter.limit !== undefined)
    checkInteger('limit', filter.limit, { min: 1, max: Number.POSITIVE_INFINITY })
  return filter
}
