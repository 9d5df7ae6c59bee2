import { type Clock, type Events, isHoldfastError } from '@holdfast/core'
import type { RecoveryEvents } from './events.ts'
import type { ErrorRecord, Journal, JournalRecord } from './journal/journal.ts'

type WithoutTime<R> = R extends JournalRecord ? Omit<R, 'atMs'> : never
/** A record before it is given its time. */
export type Fact = WithoutTime<JournalRecord>

/** What happened in a run, in order, written down as it happens. */
export interface Chronicle {
  readonly records: readonly JournalRecord[]
  /** Milliseconds since the declaration, monotonic, also over a resume; suspended time counts. */
  atMs(): number
  /** Writes a record, and resolves when it is durable, or has failed, which is told as an event. */
  note(fact: Fact): Promise<void>
  /** Like `note`, but rejects where it could not be written. */
  noteSurely(fact: Fact): Promise<void>
  /** Resolves when nothing is left to be written. */
  written(): Promise<void>
}

/** So coarse is `uptime` of the clock. */
const uptimeStepMs = 10

export function createChronicle(options: {
  readonly journal: Journal
  readonly before: readonly JournalRecord[]
  readonly declaredAt: number
  readonly clock: Clock
  readonly events: Events<RecoveryEvents>
}): Chronicle {
  const { journal, before, declaredAt, clock, events } = options
  const records = [...before]
  // Only this once is the wall clock asked: it may jump. A declaration in the future counts as now.
  const baseMs = Math.max(0, clock.wall() - declaredAt, before.at(-1)?.atMs ?? 0)
  const begun = { now: clock.now(), uptime: clock.uptime() }
  let last: Promise<void> = Promise.resolve()

  return { records, atMs, note, noteSurely, written: () => last }

  /** By the monotonic clock, or, after the host was suspended, by its uptime, whose steps are too coarse for more. */
  function atMs(): number {
    const awakeMs = clock.now() - begun.now
    return Math.round(baseMs + Math.max(awakeMs, clock.uptime() - begun.uptime - uptimeStepMs))
  }

  function note(fact: Fact): Promise<void> {
    last = noteSurely(fact).catch((error: unknown) => events.emit('journalFailed', { error }))
    return last
  }

  function noteSurely(fact: Fact): Promise<void> {
    const record = { ...fact, atMs: atMs() } as JournalRecord
    records.push(record)
    return journal.append(record)
  }
}

export function errorRecord(error: unknown): ErrorRecord {
  const message = error instanceof Error ? error.message : String(error)
  return isHoldfastError(error) ? { code: error.code, message } : { message }
}
