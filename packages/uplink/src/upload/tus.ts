import { isHoldfastError } from '@holdfast/core'
import { uplinkError } from '../errors.ts'
import type { Connections } from '../http/connections.ts'
import { exchange, type HttpRequest, type StreamedBody } from '../http/exchange.ts'
import { withStallTimeout } from '../http/stall.ts'
import { type Answer, detailOf, retryAfterMs } from '../ship/verdict.ts'
import type { Headers } from '../types.ts'
import { encodeMetadata, readHead, readLocation, readPatch } from './answer.ts'
import type { UploadSettings } from './options.ts'

const longestAskedPauseMs = 300_000

/**
 * The requests of tus 1.0. What a server answers is one of three: a result,
 * a retryable error, or one that is for good.
 */
export interface TusClient {
  /** Makes a place for the body. */
  create(): Promise<URL>
  /** How many bytes of the body the server has there; undefined where it has none of it. */
  offsetOf(at: URL): Promise<number | undefined>
  /** Sends the next `length` bytes and resolves to the new offset; to `'too-large'` where the server takes no request of that length. */
  send(at: URL, from: number, length: number, read: StreamOf): Promise<number | 'too-large'>
}

/** Makes the stream of a request's body, which tells of its progress: of bytes sent, and of milliseconds that it will pause by itself. */
export type StreamOf = (progress: (pauseMs?: number) => void) => AsyncIterable<Uint8Array>

export function createTusClient(
  settings: UploadSettings,
  connections: Connections,
  signal: AbortSignal,
): TusClient {
  const { url, body, clock, stallMs } = settings
  return { create, offsetOf, send }

  async function create(): Promise<URL> {
    const metadata = encodeMetadata(settings.metadata)
    const answer = await call('POST', url, {
      'upload-length': String(body.size),
      ...(metadata === '' ? {} : { 'upload-metadata': metadata }),
    })
    const location = readLocation(answer, url)
    if (location instanceof URL) return location
    if (location === 'refused') throw refused(answer)
    if (location === 'again') throw notAccepted(answer)
    // Something that is no tus server may stand in its place for a while; a 201 comes from the server itself.
    throw badAnswer(answer, 'no Location on its own origin', { retryable: answer.status !== 201 })
  }

  async function offsetOf(at: URL): Promise<number | undefined> {
    const answer = await call('HEAD', at, {})
    const step = readHead(answer, body.size)
    if (step.kind === 'gone') return undefined
    if (step.kind === 'refused') throw refused(answer)
    if (step.kind !== 'offset') throw notAccepted(answer)
    return checkOffset(answer, step.offset, 0, body.size)
  }

  async function send(at: URL, from: number, length: number, read: StreamOf): Promise<number | 'too-large'> {
    const headers = { 'upload-offset': String(from), 'content-type': 'application/offset+octet-stream' }
    const answer = await call('PATCH', at, headers, (progress) => ({ length, read: () => read(progress) }))
    const step = readPatch(answer)
    if (step.kind === 'too-large') return 'too-large'
    if (step.kind === 'refused') throw refused(answer)
    if (step.kind !== 'offset') throw notAccepted(answer)
    return checkOffset(answer, step.offset, from + 1, from + length)
  }

  async function call(
    method: HttpRequest['method'],
    at: URL,
    headers: Headers,
    bodyOf?: (progress: (pauseMs?: number) => void) => StreamedBody,
  ): Promise<Answer> {
    try {
      return await withStallTimeout(
        (scope, progress) =>
          connections.use(async (agent) => {
            const all = { ...(await settings.headers()), 'tus-resumable': '1.0.0', ...headers }
            return exchange({ method, url: at, headers: all, body: bodyOf?.(progress), agent, signal: scope })
          }),
        { stallMs, onStall: stalled, signal, clock },
      )
    } catch (cause) {
      if (signal.aborted || isHoldfastError(cause)) throw cause
      const message = `Sending to ${url.host} failed; the upload goes on where it is`
      throw uplinkError('UPLINK_REQUEST_FAILED', message, { cause, fields: { host: url.host } })
    }
  }

  function stalled(): Error {
    const message = `${url.host} took no byte for ${stallMs} ms; the upload goes on where it is`
    return uplinkError('UPLINK_TIMED_OUT', message, { fields: { host: url.host, timeoutMs: stallMs } })
  }

  function notAccepted(answer: Answer): Error {
    const pauseMs = Math.min(retryAfterMs(answer, clock.wall()) ?? 0, longestAskedPauseMs)
    const fields = { host: url.host, status: answer.status, retryAfterMs: pauseMs }
    const message = `${url.host} answered ${answer.status}: ${detailOf(answer.body)}; the upload goes on where it is`
    return uplinkError('UPLINK_NOT_ACCEPTED', message, { fields })
  }
}

export function askedPauseMs(error: unknown): number {
  const asked = isHoldfastError(error, 'UPLINK_NOT_ACCEPTED') ? error.fields['retryAfterMs'] : 0
  return typeof asked === 'number' ? asked : 0
}

function checkOffset(answer: Answer, offset: number, min: number, max: number): number {
  if (offset >= min && offset <= max) return offset
  throw badAnswer(answer, `Upload-Offset ${offset} outside ${min}–${max}`)
}

function badAnswer({ status }: Answer, what: string, details: { retryable?: boolean } = {}): Error {
  const message = `The server answered ${status} with ${what}`
  return uplinkError('UPLINK_BAD_ANSWER', message, { fields: { status }, ...details })
}

function refused({ status, body }: Answer): Error {
  const detail = detailOf(body)
  return uplinkError('UPLINK_REFUSED', `The server refused the upload with ${status}: ${detail}`, {
    fields: { status, answer: detail },
  })
}
