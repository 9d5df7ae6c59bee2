/** What a collector answered. The body is text, cut at 64 KiB. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: string
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

export function fateOf(status: number, refuses: (status: number) => boolean): Fate {
  if (status >= 200 && status < 300) return 'accepted'
  return refuses(status) ? 'refused' : 'again'
}

/**
 * One verdict per message, by id, of a partial answer: a 2xx whose JSON body has
 * `results: [{ id, status, error? }]`. `undefined` where the answer is not partial,
 * and `'bad'` where it claims to be (207) but cannot be read.
 */
export function partialVerdicts(
  answer: Answer,
  refuses: (status: number) => boolean,
): ReadonlyMap<string, Verdict> | 'bad' | undefined {
  if (answer.status < 200 || answer.status > 299) return undefined
  const otherwise = answer.status === 207 ? 'bad' : undefined
  if (!/\bjson\b/i.test(String(answer.headers['content-type'] ?? ''))) return otherwise
  const results = resultsOf(answer.body)
  if (!results) return otherwise
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

function resultsOf(body: string): readonly Result[] | undefined {
  let parsed: unknown
  try {
    parsed = JSON.parse(body)
  } catch {
    return undefined // not JSON after all: the caller tells what that means
  }
  const results = (parsed as { results?: unknown } | null)?.results
  return Array.isArray(results) && results.every(isResult) ? results : undefined
}

function isResult(value: unknown): value is Result {
  const { id, status, error } = (value ?? {}) as Partial<Record<keyof Result, unknown>>
  return (
    typeof id === 'string' &&
    typeof status === 'number' &&
    (error === undefined || error === null || typeof error === 'string')
  )
}
