import { createEvents, isHoldfastError, retry } from '@holdfast/core'
import { openConnections } from './connections.ts'
import { uplinkError } from './errors.ts'
import { exchange, type StreamedBody } from './http.ts'
import { withStallTimeout } from './stall.ts'
import type { Headers } from './types.ts'
import { encodeMetadata, readLocation, readOffset } from './upload-answer.ts'
import { readChunk } from './upload-body.ts'
import { checkUploadOptions } from './upload-options.ts'
import type { Upload, UploadEvents, UploadOptions } from './upload-types.ts'
import { type Answer, detailOf, retryAfterMs } from './verdict.ts'

const longestAskedPauseMs = 300_000

/**
 * Uploads one large body in chunks, and goes on where the server has it until:
 * after a failure, a stop, or the process's death, given the checkpoint.
 *
 * Speaks tus 1.0 with its creation extension. Every byte that the server
 * acknowledged is sent once; what it has is asked, never assumed, after each
 * failure. Nothing is sent before `saveCheckpoint` resolved, so a death leaves
 * at most one empty upload behind on the server.
 */
export async function startUpload(options: UploadOptions): Promise<Upload> {
  const settings = checkUploadOptions(options)
  const { url, body, clock } = settings
  const events = createEvents<UploadEvents>()
  const working = new AbortController()
  const connections = await openConnections(url, settings.tls, clock, {
    reloaded: () => {},
    rejected: () => {},
  })
  const began = clock.now()
  let target = settings.checkpoint && new URL(settings.checkpoint.location)
  /** What the server has; undefined where it must be asked. */
  let offset: number | undefined
  let failures = 0
  let closing: Promise<void> | undefined

  const exited = uploadAll().finally(() => connections.close())
  return {
    on: events.on,
    exited,
    close,
    [Symbol.asyncDispose]: close,
    stats: () => ({
      upload_size_bytes: { kind: 'gauge', help: 'Size of the body', value: body.size },
      upload_offset_bytes: { kind: 'gauge', help: 'Bytes that the server has', value: offset ?? 0 },
      upload_failures_total: { kind: 'counter', help: 'Requests that failed', value: failures },
    }),
  }

  async function uploadAll(): Promise<void> {
    try {
      while (offset === undefined || offset < body.size) await retry(advance, retrying())
      events.emit('completed', { size: body.size, durationMs: clock.now() - began })
    } catch (error) {
      if (!working.signal.aborted) throw error
    }
  }

  function retrying() {
    return {
      ...{ attempts: settings.attempts, backoff: settings.backoff, signal: working.signal },
      ...{ clock, random: settings.random },
      pauseMs: ({ error, pauseMs }: { error: unknown; pauseMs: number }) =>
        Math.max(pauseMs, askedPauseMs(error)),
      onRetry: (failed: { attempt: number; pauseMs: number; error: unknown }) =>
        events.emit('retried', failed),
    }
  }

  /** Learns what it does not know, then sends one chunk. */
  async function advance(): Promise<void> {
    try {
      if (target && offset === undefined) await ask(target)
      if (!target) await create()
      if (target && offset !== undefined && offset < body.size) await send(target, offset)
    } catch (error) {
      failures += 1
      offset = undefined
      throw error
    }
  }

  async function create(): Promise<void> {
    const metadata = encodeMetadata(settings.metadata)
    const answer = await call('POST', url, {
      'upload-length': String(body.size),
      ...(metadata === '' ? {} : { 'upload-metadata': metadata }),
    })
    const location = readLocation(answer, url)
    if (location === 'refused') throw refused(answer)
    if (location === 'again') throw notAccepted(answer)
    if (location === 'bad') throw badAnswer(answer, 'no Location on its own origin', { retryable: false })
    await settings.saveCheckpoint({ location: location.href, size: body.size, version: body.version })
    target = location
    offset = 0
    events.emit('created', { location: location.href })
  }

  async function ask(at: URL): Promise<void> {
    const answer = await call('HEAD', at, {})
    const step = readOffset(answer)
    if (step.kind === 'gone') forget(at)
    else if (step.kind === 'refused') throw refused(answer)
    else if (step.kind !== 'offset') throw notAccepted(answer)
    else {
      offset = checkOffset(answer, step.offset, 0, body.size)
      events.emit('resumed', { offset })
    }
  }

  async function send(at: URL, from: number): Promise<void> {
    const length = Math.min(settings.chunkBytes, body.size - from)
    const headers = { 'upload-offset': String(from), 'content-type': 'application/offset+octet-stream' }
    const answer = await call('PATCH', at, headers, (progress) => ({
      length,
      read: () => readChunk(body, from, length, progress),
    }))
    const step = readOffset(answer)
    if (step.kind === 'refused') throw refused(answer)
    if (step.kind === 'gone') forget(at)
    if (step.kind !== 'offset') throw notAccepted(answer)
    offset = checkOffset(answer, step.offset, from + 1, from + length)
    events.emit('progressed', { offset, size: body.size })
  }

  function forget(at: URL): void {
    target = undefined
    offset = undefined
    events.emit('expired', { location: at.href })
  }

  async function call(
    method: 'POST' | 'HEAD' | 'PATCH',
    at: URL,
    headers: Headers,
    bodyOf?: (progress: () => void) => StreamedBody,
  ): Promise<Answer> {
    const { stallMs } = settings
    const onStall = (): Error =>
      uplinkError(
        'UPLINK_TIMED_OUT',
        `${url.host} took no byte for ${stallMs} ms; the upload goes on where it is`,
        {
          fields: { host: url.host, timeoutMs: stallMs },
        },
      )
    try {
      return await withStallTimeout(
        (signal, progress) =>
          connections.use(async (agent) => {
            const all = { ...(await settings.headers()), 'tus-resumable': '1.0.0', ...headers }
            return exchange({ method, url: at, headers: all, body: bodyOf?.(progress), agent, signal })
          }),
        { stallMs, onStall, signal: working.signal, clock },
      )
    } catch (cause) {
      if (working.signal.aborted || isHoldfastError(cause)) throw cause
      const message = `Sending to ${url.host} failed; the upload goes on where it is`
      throw uplinkError('UPLINK_REQUEST_FAILED', message, { cause, fields: { host: url.host } })
    }
  }

  function notAccepted(answer: Answer): Error {
    const pauseMs = Math.min(retryAfterMs(answer, clock.wall()) ?? 0, longestAskedPauseMs)
    const fields = { host: url.host, status: answer.status, retryAfterMs: pauseMs }
    const message = `${url.host} answered ${answer.status}: ${detailOf(answer.body)}; the upload goes on where it is`
    return uplinkError('UPLINK_NOT_ACCEPTED', message, { fields })
  }

  function close(): Promise<void> {
    working.abort(uplinkError('UPLINK_CLOSED', 'The upload was closed; its checkpoint tells where to go on'))
    closing ??= Promise.allSettled([exited]).then(() => undefined)
    return closing
  }
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

function askedPauseMs(error: unknown): number {
  const asked = isHoldfastError(error, 'UPLINK_NOT_ACCEPTED') ? error.fields['retryAfterMs'] : 0
  return typeof asked === 'number' ? asked : 0
}
