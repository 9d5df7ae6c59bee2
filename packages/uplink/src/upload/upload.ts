import { createEvents, isHoldfastError, retry } from '@holdfast/core'
import { uplinkError } from '../errors.ts'
import { fullBucket, takeTokens, tokensInMs } from '../gate/rate.ts'
import { openConnections } from '../http/connections.ts'
import { readChunk } from './body.ts'
import { checkUploadOptions } from './options.ts'
import { askedPauseMs, createTusClient, type StreamOf } from './tus.ts'
import type { Upload, UploadEvents, UploadOptions } from './types.ts'

/** No request is made smaller than this, in bytes. */
const leastChunkBytes = 64 * 1024

/**
 * Uploads one large body in chunks, and goes on where the server has it until:
 * after a failure, a stop, or the process's death, given the checkpoint.
 *
 * Speaks tus 1.0 with its creation extension. Every byte that the server
 * acknowledged is sent once; what it has is asked, never assumed, after each
 * failure. Nothing is sent before `saveCheckpoint` resolved, so a death leaves
 * at most one empty upload behind on the server. Where requests are cut or too
 * large for the server, they become smaller, down to 64 KiB. An upload that the
 * server has lost is begun anew, and given up only when the new one is there.
 */
export async function startUpload(options: UploadOptions): Promise<Upload> {
  const settings = checkUploadOptions(options)
  const { url, body, clock, rate } = settings
  const events = createEvents<UploadEvents>()
  const working = new AbortController()
  const connections = await openConnections(url, settings.tls, clock, {
    reloaded: () => events.emit('tlsReloaded'),
    rejected: (error) => events.emit('tlsRejected', { error }),
  })
  const tus = createTusClient(settings, connections, working.signal)
  const began = clock.now()
  let target = settings.checkpoint && new URL(settings.checkpoint.location)
  /** What the server has; undefined where it must be asked. */
  let offset: number | undefined
  let chunkBytes = settings.chunkBytes
  let mostChunkBytes = settings.chunkBytes
  let bucket = rate && fullBucket(rate, clock.now())
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
      if (!target || offset === undefined) await create()
      if (target && offset !== undefined && offset < body.size) await send(target, offset)
    } catch (error) {
      failures += 1
      offset = undefined
      throw error
    }
  }

  async function create(): Promise<void> {
    const location = await tus.create()
    await settings.saveCheckpoint({ location: location.href, size: body.size, version: body.version })
    if (target) events.emit('expired', { location: target.href })
    target = location
    offset = 0
    events.emit('created', { location: location.href })
  }

  async function ask(at: URL): Promise<void> {
    offset = await tus.offsetOf(at)
    if (offset !== undefined) events.emit('resumed', { offset })
  }

  async function send(at: URL, from: number): Promise<void> {
    const length = Math.min(chunkBytes, body.size - from)
    const sent = await tus.send(at, from, length, streamOf(from, length)).catch((error: unknown) => {
      if (isCut(error)) chunkBytes = smaller(length)
      throw error
    })
    if (sent === 'too-large') {
      if (length <= leastChunkBytes) throw tooLarge(length)
      mostChunkBytes = smaller(length)
      chunkBytes = mostChunkBytes
      return
    }
    offset = sent
    chunkBytes = Math.min(chunkBytes * 2, mostChunkBytes)
    events.emit('progressed', { offset, size: body.size })
  }

  function streamOf(from: number, length: number): StreamOf {
    return (progress) =>
      readChunk(body, from, length, async (bytes) => {
        const pauseMs = takeFromRate(bytes)
        progress(pauseMs)
        if (pauseMs > 0) await clock.sleep(pauseMs, working.signal)
      })
  }

  /** Milliseconds until the rate allows more, now that so many bytes were sent. */
  function takeFromRate(bytes: number): number {
    if (!rate || !bucket) return 0
    bucket = takeTokens(bucket, bytes, rate, clock.now())
    return tokensInMs(bucket, 0, rate, clock.now())
  }

  function tooLarge(length: number): Error {
    const message = `The server takes no request of ${length} bytes, the smallest there is`
    return uplinkError('UPLINK_REFUSED', message, { fields: { status: 413, bytes: length } })
  }

  function close(): Promise<void> {
    working.abort(uplinkError('UPLINK_CLOSED', 'The upload was closed; its checkpoint tells where to go on'))
    closing ??= Promise.allSettled([exited]).then(() => undefined)
    return closing
  }
}

function smaller(bytes: number): number {
  return Math.max(leastChunkBytes, Math.floor(bytes / 2))
}

function isCut(error: unknown): boolean {
  return isHoldfastError(error, 'UPLINK_REQUEST_FAILED') || isHoldfastError(error, 'UPLINK_TIMED_OUT')
}
