import type { WaitOptions } from '@holdfast/core'
import type { Context } from './context.ts'
import { queueError } from './errors.ts'
import type { Entry } from './format/page.ts'
import type { Placement } from './options.ts'
import { createDeque } from './state/deque.ts'
import type { Enqueued } from './types.ts'

/** One call of a producer: accepted as a whole, in one commit. */
export interface Submission {
  readonly entries: readonly Entry[]
  readonly placement: Placement
  readonly bytes: number
  resolve(results: Enqueued[]): void
  reject(error: unknown): void
}

/** Lets submissions in as the limits allow, and keeps the others waiting in order. */
export interface Admission {
  /** How many producers wait for room. */
  readonly blocked: number
  /** Lets it in, makes it wait, or rejects it. */
  submit(submission: Submission, options: WaitOptions | undefined): void
  /** Room was made: lets in who waits. */
  admitBlocked(): void
  /** Takes submissions that were let in, enough for one commit. */
  next(): Submission[]
  /** Gives back the room of a submission that was not stored. */
  giveBack(messages: number, bytes: number): void
  /** Rejects all that wait: for room, or for a commit too. */
  rejectAll(error: Error, which: 'blocked' | 'all'): void
}

const maxCommitMessages = 4_096
const maxCommitBytes = 8 * 2 ** 20

export function createAdmission<T>(context: Context<T>): Admission {
  const { settings, totals } = context
  const { limits } = settings
  const admitted = createDeque<Submission>()
  const blocked = new Set<Submission>()
  return {
    submit,
    admitBlocked,
    next,
    giveBack,
    rejectAll,
    get blocked() {
      return blocked.size
    },
  }

  function submit(submission: Submission, options: WaitOptions | undefined): void {
    checkFitsAtAll(submission)
    const isRoom = limits.onFull === 'drop-oldest' || (blocked.size === 0 && hasRoom(submission))
    if (isRoom) admit(submission)
    else if (limits.onFull === 'reject') throw fullError()
    else block(submission, options?.signal)
  }

  function admit(submission: Submission): void {
    totals.admittedMessages += submission.entries.length
    totals.admittedBytes += submission.bytes
    admitted.push(submission)
    context.commit()
  }

  function hasRoom({ entries, bytes }: Submission): boolean {
    return (
      totals.admittedMessages + entries.length <= limits.messages &&
      totals.admittedBytes + bytes <= limits.bytes
    )
  }

  function checkFitsAtAll({ entries, bytes }: Submission): void {
    if (entries.length > limits.messages || bytes > limits.bytes) throw fullError()
  }

  function fullError(): Error {
    return queueError('QUEUE_FULL', 'The queue is full; try again later, or raise its limits.', {
      fields: { messages: totals.admittedMessages, bytes: totals.admittedBytes },
    })
  }

  function block(submission: Submission, signal: AbortSignal | undefined): void {
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

  function next(): Submission[] {
    const taken: Submission[] = []
    let messages = 0
    let bytes = 0
    for (let first = admitted.at(0); first; first = admitted.at(0)) {
      messages += first.entries.length
      bytes += first.bytes
      if (taken.length > 0 && (messages > maxCommitMessages || bytes > maxCommitBytes)) break
      taken.push(first)
      admitted.shift()
    }
    if (admitted.length > 0) context.commit()
    return taken
  }

  function giveBack(messages: number, bytes: number): void {
    totals.admittedMessages -= messages
    totals.admittedBytes -= bytes
    admitBlocked()
  }

  function rejectAll(error: Error, which: 'blocked' | 'all'): void {
    for (const submission of blocked) submission.reject(error)
    blocked.clear()
    if (which === 'blocked') return
    for (let one = admitted.shift(); one; one = admitted.shift()) {
      totals.admittedMessages -= one.entries.length
      totals.admittedBytes -= one.bytes
      one.reject(error)
    }
  }
}
