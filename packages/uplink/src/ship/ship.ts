import { type Events, type FailedAttempt, isHoldfastError, retry } from '@holdfast/core'
import { uplinkError } from '../errors.ts'
import type { Gate } from '../gate/gate.ts'
import type { Settings } from '../options.ts'
import type { UplinkEvents } from '../types.ts'
import { halves, type Parcel } from './batch.ts'
import type { Hand } from './hand.ts'
import type { Posted } from './post.ts'
import {
  type Answer,
  detailOf,
  fateOf,
  mayBlameMessages,
  partialVerdicts,
  retryAfterMs,
  type Verdict,
} from './verdict.ts'

/** After so many failures in a row that the batch itself may be the reason for, its halves are sent apart. */
const doubtsBeforeSplit = 3

export interface Shipping<T> {
  readonly settings: Settings<T>
  readonly hand: Hand<T>
  readonly gate: Gate
  readonly events: Events<UplinkEvents>
  /** Aborts at the stop: what is not settled then stays in hand. */
  readonly signal: AbortSignal
  /** Aborts at a drain: what fails from then on is not tried again, and stays in hand. */
  readonly draining: AbortSignal
  post(parcels: readonly Parcel<T>[]): Promise<Posted>
}

/**
 * Sends parcels until each one is accepted or refused, however long that takes.
 *
 * A whole batch that is refused is sent again in halves, down to the message
 * that is to blame. So is one over which the collector fails, times out or cuts
 * the connection three times in a row: one message may be what it cannot stand,
 * or the batch too much for the line. Rejects only once a signal has aborted.
 */
export async function ship<T>(parcels: readonly Parcel<T>[], shipping: Shipping<T>): Promise<void> {
  const { settings, hand, events, signal, draining } = shipping
  let left = parcels
  let doubts = 0
  let failure: { error: unknown } | undefined
  const refused = await (draining.aborted ? attempt() : retry(attempt, retrying())).catch(unlessGivenUp)
  if (refused && left.length === 1) return bury(left[0]!, refusalOf(left[0]!, refused), refused.status)
  if (failure && left.length === 1) return bury(left[0]!, failure.error)
  if (!refused && !failure) return
  events.emit('split', { messages: left.length, ...(refused ? { status: refused.status } : failure) })
  for (const half of halves(left)) await ship(half, shipping)

  function retrying() {
    return {
      ...{ attempts: Number.POSITIVE_INFINITY, backoff: settings.backoff, signal: draining },
      ...{ clock: settings.clock, random: settings.random },
      shouldRetry: isWorthAnother,
      pauseMs: ({ error, pauseMs }: FailedAttempt) => Math.max(pauseMs, askedPauseMs(error)),
      onRetry: ({ error, attempt: nth, pauseMs }: FailedAttempt) =>
        events.emit('retried', { messages: left.length, attempt: nth, pauseMs, error }),
    }
  }

  function isWorthAnother(error: unknown): boolean {
    doubts = mayBlameMessages(error) ? doubts + 1 : 0
    return doubts < (left.length === 1 ? settings.attempts : doubtsBeforeSplit)
  }

  function unlessGivenUp(error: unknown): undefined {
    if (signal.aborted || draining.aborted) throw error
    failure = { error }
  }

  /** Resolves to the verdict where all that is left was refused as one. */
  async function attempt(): Promise<Verdict | undefined> {
    await shipping.gate.enter(left.length, signal, draining)
    left = left.filter(({ job }) => hand.has(job))
    if (left.length === 0) {
      shipping.gate.cancelled()
      return undefined
    }
    const began = settings.clock.now()
    const { answer, bytes } = await sendLeft()
    const verdicts = partialVerdicts(answer, settings.refuses)
    if (verdicts === 'bad') throw judged(badAnswer(answer))
    const whole: Verdict = {
      ...answer,
      fate: fateOf(answer.status, settings.refuses),
      detail: detailOf(answer.body),
    }
    if (!verdicts && whole.fate === 'again') throw judged(notAccepted(answer, left.length))
    shipping.gate.succeeded()
    if (!verdicts && whole.fate === 'refused') return whole
    const verdictOf = (parcel: Parcel<T>): Verdict =>
      verdicts ? (verdicts.get(parcel.job.id) ?? unnamed) : whole
    await settle(verdictOf, bytes, settings.clock.now() - began)
    if (left.length > 0) throw held(notAccepted(answer, left.length))
    return undefined
  }

  async function sendLeft(): Promise<Posted> {
    try {
      return await shipping.post(left)
    } catch (error) {
      if (signal.aborted) shipping.gate.cancelled()
      else shipping.gate.failed(error)
      throw error
    }
  }

  /** Tells the gate of an answer that speaks of the collector, not of the messages. */
  function judged(error: Error): Error {
    const status = isHoldfastError(error) ? error.fields['status'] : undefined
    if (status === 429) shipping.gate.succeeded()
    else shipping.gate.failed(error)
    return held(error)
  }

  /** Retry-After holds back every worker. */
  function held(error: Error): Error {
    shipping.gate.hold(askedPauseMs(error))
    return error
  }

  async function settle(
    verdictOf: (parcel: Parcel<T>) => Verdict,
    bytes: number,
    durationMs: number,
  ): Promise<void> {
    const verdicts = left.map(verdictOf)
    const settled = await Promise.all(left.map((parcel, at) => settleOne(parcel, verdicts[at]!)))
    left = left.filter((_, at) => verdicts[at]!.fate === 'again')
    const messages = settled.filter(Boolean).length
    if (messages === 0) return
    doubts = 0
    events.emit('shipped', { messages, bytes, durationMs })
  }

  /** Whether it was accepted, and ours to acknowledge. */
  async function settleOne(parcel: Parcel<T>, verdict: Verdict): Promise<boolean> {
    if (verdict.fate === 'accepted') return hand.ack(parcel.job)
    if (verdict.fate === 'refused') await bury(parcel, refusalOf(parcel, verdict), verdict.status)
    return false
  }

  async function bury({ job }: Parcel<T>, error: unknown, status?: number): Promise<void> {
    const told = { id: job.id, ...(status === undefined ? {} : { status }), error }
    if (await hand.bury(job, error)) events.emit('refused', told)
  }

  function notAccepted(answer: Answer, messages: number): Error {
    const { host } = settings.url
    const afterMs = retryAfterMs(answer, settings.clock.wall())
    const pauseMs = Math.min(afterMs ?? 0, settings.maxRetryAfterMs)
    return uplinkError(
      'UPLINK_NOT_ACCEPTED',
      `${host} did not accept ${messages} messages, with ${answer.status}: ${detailOf(answer.body)}; they are sent again`,
      { fields: { host, status: answer.status, retryAfterMs: pauseMs } },
    )
  }
}

/** A message that a partial answer does not name was not accepted. */
const unnamed: Verdict = { fate: 'again', status: 207, detail: '' }

function refusalOf<T>({ job }: Parcel<T>, { status, detail }: Verdict): Error {
  const message = `The collector refused message ${job.id} with ${status}: ${detail}`
  return uplinkError('UPLINK_REFUSED', message, { fields: { id: job.id, status, answer: detail } })
}

function badAnswer({ status }: Answer): Error {
  const message = `The collector answered ${status} with a body that is no answer to a batch, which is sent again`
  return uplinkError('UPLINK_BAD_ANSWER', message, { fields: { status } })
}

function askedPauseMs(error: unknown): number {
  const asked = isHoldfastError(error, 'UPLINK_NOT_ACCEPTED') ? error.fields['retryAfterMs'] : 0
  return typeof asked === 'number' ? asked : 0
}
