import type { WaitOptions } from '@holdfast/core'
import type { Context } from './context.ts'
import { queueError } from './errors.ts'
import type { Intake } from './intake.ts'
import type { Pace } from './pace.ts'
import { Deque } from './state/deque.ts'
import { type Submission, withOwnPayloads } from './submission.ts'

/** Lets submissions in as the limits allow, and keeps the others waiting in order. */
export interface Admission {
  /** How many producers wait for room. */
  blocked(): number
  /** Messages let in, up to as many as one commit stores. */
  waiting(): number
  /** Lets it in, makes it wait, or rejects it. */
  submit(submission: Submission, options: WaitOptions | undefined): void
  /** Room was made: lets in who waits. */
  admitBlocked(): void
  /** Takes what was let in, as much as one commit stores. */
  next(): Intake | undefined
  /** Rejects all that wait: for room, or for a commit too. */
  rejectAll(error: Error, which: 'blocked' | 'all'): void
}

const maxCommitMessages = 4_096
const maxCommitBytes = 8 * 2 ** 20

export interface AdmissionParts<T> {
  context: Context<T>
  pace: Pace
  createIntake(): Intake
}

export function createAdmission<T>({ context, pace, createIntake }: AdmissionParts<T>): Admission {
  const { settings, totals } = context
  const { limits } = settings
  /** The last one is open. */
  const intakes = new Deque<Intake>()
  const blocked = new Set<Submission>()
  return {
    submit,
    admitBlocked,
    next,
    rejectAll,
    waiting,
    blocked: () => blocked.size,
  }

  function submit(submission: Submission, options: WaitOptions | undefined): void {
    checkFitsAtAll(submission)
    const isRoom = limits.onFull === 'drop-oldest' || (blocked.size === 0 && hasRoom(submission))
    if (isRoom) admit(submission)
    else if (limits.onFull === 'reject') throw fullError()
    else block(submission, options?.signal)
  }

  function admit(submission: Submission): void {
    totals.admittedMessages += submission.messages
    totals.admittedBytes += submission.bytes
    const intake = intakeFor(submission)
    const isFirst = intake.messages === 0
    const wasEnough = pace.isEnough(intake.messages)
    intake.add(submission)
    if (isFirst || (!wasEnough && pace.isEnough(intake.messages))) context.commit()
  }

  function waiting(): number {
    return intakes.at(0)?.messages ?? 0
  }

  function intakeFor({ messages, bytes }: Submission): Intake {
    const open = intakes.at(intakes.length - 1)
    const hasPlace =
      open && open.messages + messages <= maxCommitMessages && open.bytes + bytes <= maxCommitBytes
    if (hasPlace) return open
    const intake = createIntake()
    intakes.push(intake)
    return intake
  }

  function hasRoom({ messages, bytes }: Submission): boolean {
    return (
      totals.admittedMessages + messages <= limits.messages && totals.admittedBytes + bytes <= limits.bytes
    )
  }

  function checkFitsAtAll({ messages, bytes }: Submission): void {
    if (messages > limits.messages || bytes > limits.bytes) throw fullError()
  }

  function fullError(): Error {
    return queueError('QUEUE_FULL', 'The queue is full; try again later, or raise its limits.', {
      fields: { messages: totals.admittedMessages, bytes: totals.admittedBytes },
    })
  }

  function block(given: Submission, signal: AbortSignal | undefined): void {
    const submission = withOwnPayloads(given)
    const giveUp = (): void => {
      if (blocked.delete(submission)) submission.reject(signal?.reason)
      admitBlocked()
    }
    blocked.add(submission)
    signal?.addEventListener('abort', giveUp, { once: true })
  }

  function admitBlocked(): void {
    for (const submission of blocked) {
      if (!hasRoom(submission)) return
      blocked.delete(submission)
      admit(submission)
    }
  }

  function next(): Intake | undefined {
    const intake = intakes.shift()
    if (intakes.length > 0) context.commit()
    return intake
  }

  function rejectAll(error: Error, which: 'blocked' | 'all'): void {
    for (const submission of blocked) submission.reject(error)
    blocked.clear()
    if (which === 'blocked') return
    for (let intake = intakes.shift(); intake; intake = intakes.shift()) intake.giveUp(error)
  }
}
