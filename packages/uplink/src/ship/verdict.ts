import { isHoldfastError } from '@holdfast/core'

/** What a collector answered. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** As text, cut where it grows too long. */
  readonly body: string
  /** Whether the body was not cut. */
  readonly isWhole: boolean
}

/** What becomes of a message. */
export type Fate = 'accepted' | 'refused' | 'again'

export interface Verdict {
  readonly fate: Fate
  readonly status: number
  /** The collector's words, cut at 1,000 characters: for the dead letter. */
  readonly detail: string
}

const notTheMessage = new Set([401, 403, 404, 405, 407, 408, 421, 425, 429])

/** 4xx, but what a message cannot be blamed for: who we are, where we knock, how often. */
export function refusesMessage(status: number): boolean {
  return status >= 400 && status < 500 && !notTheMessage.has(status)
}

/** Whether a failed request may be the fault of what was sent: too much for the line, or more than the collector can stand. */
export function mayBlameMessages(error: unknown): boolean {
  if (isHoldfastError(error, 'UPLINK_TIMED_OUT')) return true
  if (isHoldfastError(error, 'UPLINK_REQUEST_FAILED')) return isReset(error.cause)
  if (!isHoldfastError(error, 'UPLINK_NOT_ACCEPTED')) return false
  const status = Number(error.fields['status'])
  return status === 500 || (status >= 200 && status < 300)
}

function isReset(cause: unknown): boolean {
  return ['ECONNRESET', 'EPIPE'].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '')
}

export function fateOf(status: number, refuses: (status: number) => boolean): Fate {
  if (status >= 200 && status < 300) return 'accepted'
  return refuses(status) ? 'refused' : 'again'
}

/**
 * One verdict per message, by id, of a partial answer: a 2xx whose JSON body has
 * `results: [{ id, status, error? }]`. `undefined` where the answer is not partial.
 *
 * `'bad'` where a 2xx is no acceptance: it claims to be partial (207, or an array
 * of `results`) and is not, it claims to be JSON and is not, whole, or it is a web
 * page: a hotel's login page says 200 to everything.
 */
export function partialVerdicts(
  answer: Answer,
  refuses: (status: number) => boolean,
): ReadonlyMap<string, Verdict> | 'bad' | undefined {
  if (answer.status < 200 || answer.status > 299) return undefined
  const results = resultsOf(answer)
  if (results === 'bad') return 'bad'
  if (results === undefined) return answer.status === 207 ? 'bad' : undefined
  const verdicts = new Map<string, Verdict>()
  for (const { id, status, error } of results)
    verdicts.set(id, { fate: fateOf(status, refuses), status, detail: detailOf(error ?? '') })
  return verdicts
}

/** The pause that the collector asks for, in milliseconds; RFC 9110, 10.2.3: seconds or a date. */
export function retryAfterMs(answer: Answer, wallMs: number): number | undefined {
  const value = answer.headers['retry-after']
  if (typeof value !== 'string') return undefined
  if (/^\s*\d+\s*$/.test(value)) return Number(value) * 1_000
  const date = /^\s*[A-Za-z]{3}/.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallMs)
}

export function detailOf(text: string): string {
  return text.length > 1_000 ? `${text.slice(0, 1_000)}…` : text
}

interface Result {
  id: string
  status: number
  error?: string
}

function resultsOf({ headers, body, isWhole }: Answer): readonly Result[] | 'bad' | undefined {
  if (/^\s*<(?:!doctype|html)\b/i.test(body)) return 'bad'
  if (body.trim() === '' || !/\bjson\b/i.test(String(headers['content-type'] ?? ''))) return undefined
  if (!isWhole) return 'bad'
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return 'bad' // cut on its way, or not JSON after all
  }
  const results = (parsed as { results?: unknown } | null)?.results
  if (!Array.isArray(results)) return undefined
  return results.every(isResult) ? results : 'bad'
}

function isResult(value: unknown): value is Result {
  const { id, status, error } = (value ?? {}) as Partial<Record<keyof Result, unknown>>
  return (
    typeof id === 'string' &&
    typeof status === 'number' &&
    (error === undefined || error === null || typeof error === 'string')
  )
}
