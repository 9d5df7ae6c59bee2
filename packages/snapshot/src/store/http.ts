import { type Clock, checkInteger, checkNumber, type Random, retry, systemClock } from '@holdfast/core'
import { snapshotError } from '../errors.ts'
import { watch } from './silence.ts'
import type { ReadOptions } from './store.ts'

/** What a store over HTTP takes besides its own options. */
export interface HttpOptions {
  /** Requests in all for one that gets no answer, half a one, or 408, 429 or 5xx, ≥ 1. @default 4 */
  attempts?: number
  /** How long a connection may be silent in both ways before the request is given up, in milliseconds, > 0. @default 60_000 */
  silenceMs?: number
  /** For a proxy or authorities of your own: such as undici's `fetch` with a dispatcher. @default the global one */
  fetch?: typeof fetch
  /** @default systemClock */
  clock?: Clock
  /** Spreads the pauses between attempts. @default Math.random */
  random?: Random
}

export interface HttpRequest {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** Sent in a row, without a copy of them. */
  readonly body?: readonly Uint8Array[]
  /** @default 'follow' */
  readonly redirect?: 'follow' | 'manual'
  readonly signal?: AbortSignal | undefined
  /** Statuses that are no failure, besides 2xx. */
  readonly accept?: readonly number[]
}

/** An answer that has come whole. */
export interface HttpAnswer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Uint8Array
}

/** What is wrong with an answer, for an error's message and for whether to try again. */
export interface HttpProblem {
  readonly reason: string
  /** @default 408, 429 and 5xx are */
  readonly retryable?: boolean | undefined
}

export interface Http {
  /** Sends a request once. Resolves to any answer that comes whole; else rejects with STORE_FAILED, which is retryable. */
  exchange(request: HttpRequest): Promise<HttpAnswer>
  /** Returns an answer that is 2xx or accepted; else throws STORE_FAILED, or STORE_DENIED for 401 and 403. */
  check(request: HttpRequest, answer: HttpAnswer): HttpAnswer
  /** Tries again after retryable failures, with growing pauses or the one that the server asks for in Retry-After. */
  repeat<T>(attempt: () => Promise<T>, signal: AbortSignal | undefined): Promise<T>
  /** Asks a function of the user's, such as for credentials; its failure is STORE_FAILED, with that as the cause. */
  ask<T>(question: () => Promise<T>): Promise<T>
  /** An error of this store, of this code. */
  failure(problem: string, details?: Parameters<typeof snapshotError>[2]): Error
}

const sliceBytes = 256 << 10
const longestAskedPauseMs = 60_000

/** HTTP as a blob store needs it: whole answers, bounded silence, retries and coded errors. */
export function createHttp(
  description: string,
  options: HttpOptions,
  explain: (answer: HttpAnswer) => HttpProblem = plainProblem,
): Http {
  const { clock = systemClock, random = Math.random, fetch: send = fetch } = options
  const attempts = checkInteger('attempts', options.attempts ?? 4, { min: 1 })
  const silenceMs = checkNumber('silenceMs', options.silenceMs ?? 60_000, { min: 1 })
  return { exchange, check, repeat, ask, failure }

  async function exchange(request: HttpRequest): Promise<HttpAnswer> {
    const { method = 'GET', url, signal } = request
    signal?.throwIfAborted()
    const silence = watch({ silenceMs, clock, signal })
    try {
      const answer = await send(url, initOf(request, silence.signal, silence.heard))
      return { status: answer.status, headers: answer.headers, bytes: await bytesOf(answer, silence.heard) }
    } catch (cause) {
      signal?.throwIfAborted()
      const what = silence.signal.aborted ? `was silent for ${silenceMs} ms` : 'got no whole answer'
      throw failure(`${method} ${url.pathname} ${what}`, { cause })
    } finally {
      silence.end()
    }
  }

  function check(request: HttpRequest, answer: HttpAnswer): HttpAnswer {
    const { status } = answer
    if ((status >= 200 && status < 300) || request.accept?.includes(status)) return answer
    const { reason, retryable = status === 408 || status === 429 || status >= 500 } = explain(answer)
    const problem = `${request.method ?? 'GET'} ${request.url.pathname} got ${status} ${reason}`.trimEnd()
    const fields = { store: description, status, retryAfterMs: retryAfterMs(answer) }
    if (retryable || (status !== 401 && status !== 403)) throw failure(problem, { retryable, fields })
    throw snapshotError('STORE_DENIED', `${description}: ${problem}`, { fields })
  }

  function repeat<T>(attempt: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return retry(attempt, {
      attempts,
      clock,
      random,
      signal,
      pauseMs: ({ error, pauseMs }) => {
        const asked = (error as { fields?: { retryAfterMs?: number } }).fields?.retryAfterMs ?? 0
        return Math.max(pauseMs, Math.min(asked, longestAskedPauseMs))
      },
    })
  }

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    try {
      return await question()
    } catch (cause) {
      throw failure('its credentials could not be had', { cause })
    }
  }

  function failure(problem: string, details: Parameters<typeof snapshotError>[2] = {}): Error {
    const fields = { store: description, ...details.fields }
    return snapshotError('STORE_FAILED', `${description}: ${problem}`, { ...details, fields })
  }
}

/** The headers that ask for a part of an object, which must not be of no bytes. */
export function rangeHeaders({ offset = 0, length }: ReadOptions): Record<string, string> {
  if (offset === 0 && length === undefined) return {}
  return { range: `bytes=${offset}-${length === undefined ? '' : offset + length - 1}` }
}

/**
 * The part that was asked for: of a 206 only if it is that part, of a 200 where the server ignored
 * the range, and nothing of a 416, which says that the object ends before it.
 */
export function partOf(http: Http, answer: HttpAnswer, { offset = 0, length }: ReadOptions): Uint8Array {
  if (answer.status === 416) return new Uint8Array()
  const end = length === undefined ? undefined : offset + length
  if (answer.status !== 206) return answer.bytes.subarray(offset, end)
  const told = answer.headers.get('content-range') ?? ''
  const [first, last] = (/^bytes (\d+)-(\d+)\//.exec(told)?.slice(1) ?? []).map(Number)
  if (first !== offset || last !== offset + answer.bytes.length - 1 || (end !== undefined && last >= end))
    throw http.failure(`${answer.bytes.length} bytes from ${offset} came as '${told}'`)
  return answer.bytes
}

/** The server's clock, by the header of an answer. */
export function dateOf(http: Http, { headers }: HttpAnswer, header: 'date' | 'last-modified'): number {
  const time = Date.parse(headers.get(header) ?? '')
  if (!Number.isNaN(time)) return time
  throw http.failure(`an answer has the ${header} '${headers.get(header)}'`, { retryable: false })
}

/** An object's size, by the answer to a HEAD. */
export function sizeOf(http: Http, { headers }: HttpAnswer): number {
  const told = headers.get('content-length') ?? ''
  if (/^\d+$/.test(told)) return Number(told)
  throw http.failure(`an answer has the content-length '${told}'`, { retryable: false })
}

function initOf(
  { method = 'GET', headers, body, redirect = 'follow' }: HttpRequest,
  signal: AbortSignal,
  heard: () => void,
): RequestInit {
  // What is hashed must come as it is stored.
  const all: Record<string, string> = { 'accept-encoding': 'identity', ...headers }
  if (!body) return { method, headers: all, redirect, signal }
  all['content-length'] = String(body.reduce((sum, part) => sum + part.length, 0))
  const stream = ReadableStream.from(slicesOf(body, heard))
  return { method, headers: all, redirect, signal, body: stream, duplex: 'half' }
}

async function* slicesOf(parts: readonly Uint8Array[], heard: () => void): AsyncGenerator<Uint8Array> {
  for (const part of parts)
    for (let at = 0; at < part.length; at += sliceBytes) {
      heard()
      yield part.subarray(at, at + sliceBytes)
    }
}

async function bytesOf(answer: Response, heard: () => void): Promise<Uint8Array> {
  if (answer.status === 416) {
    await answer.body?.cancel() // Docker's registry promises the object's length here, and breaks off.
    return new Uint8Array()
  }
  const parts: Uint8Array[] = []
  for await (const part of answer.body ?? []) {
    heard()
    parts.push(part)
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}

function plainProblem({ bytes }: HttpAnswer): HttpProblem {
  return { reason: Buffer.from(bytes).toString().slice(0, 300) }
}

/** By RFC 9110: seconds, or a date by the server's own clock. */
function retryAfterMs({ headers }: HttpAnswer): number {
  const asked = headers.get('retry-after') ?? ''
  if (/^\d+$/.test(asked)) return Number(asked) * 1_000
  return Math.max(0, Date.parse(asked) - Date.parse(headers.get('date') ?? '')) || 0
}
