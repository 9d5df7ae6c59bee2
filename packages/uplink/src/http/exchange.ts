import { type Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { pipeline } from 'node:stream/promises'
import type { Answer } from '../ship/verdict.ts'
import type { Headers } from '../types.ts'

export interface HttpRequest {
  readonly method: 'POST' | 'HEAD' | 'PATCH'
  readonly url: URL
  readonly headers: Headers
  readonly body?: Uint8Array | StreamedBody | undefined
  /** No more of the answer's body than this is kept, in bytes. @default 64 KiB */
  readonly keptBytes?: number
  readonly agent: Agent
  readonly signal: AbortSignal
}

/** A body that is read as it is sent; `read` is called once for each time that it goes out. */
export interface StreamedBody {
  readonly length: number
  read(): AsyncIterable<Uint8Array>
}

/**
 * Sends one request and reads its answer, whatever its status.
 *
 * Rejects when there is none, or with the signal's reason. A kept-alive
 * connection that turns out to have been closed by the other side meanwhile is
 * no failure: the request goes out again on another one, unless its body is
 * streamed. An answer that arrives before the whole body was sent counts.
 */
export async function exchange(outgoing: HttpRequest): Promise<Answer> {
  for (;;) {
    outgoing.signal.throwIfAborted()
    const result = await exchangeOnce(outgoing)
    if ('answer' in result) return result.answer
    outgoing.signal.throwIfAborted()
    if (!result.stale) throw result.error
  }
}

type Result = { answer: Answer } | { error: unknown; stale: boolean }

function exchangeOnce({
  method,
  url,
  headers,
  body,
  keptBytes,
  agent,
  signal,
}: HttpRequest): Promise<Result> {
  return new Promise((resolve) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const length = body === undefined ? {} : { 'content-length': String(body.length) }
    const request = send(url, { method, headers: { ...headers, ...length }, agent, signal })
    let answered = false
    request.once('response', (response) => {
      answered = true
      readAnswer(response, keptBytes ?? 64 * 1024)
        .then(
          (answer) => resolve({ answer }),
          (error: unknown) => resolve({ error, stale: false }),
        )
        .finally(() => {
          if (!request.writableFinished) request.destroy()
        })
    })
    // These stay on to the end: what goes wrong after the answer began is told by reading it.
    request.on('error', (error: NodeJS.ErrnoException) => {
      const closed = error.code === 'ECONNRESET' || error.code === 'EPIPE'
      if (!answered) resolve({ error, stale: request.reusedSocket && closed && !isStreamed(body) })
    })
    const sending = isStreamed(body) ? pipeline(body.read(), request) : endOf(request, body)
    sending.catch(bodyFailed)
    // Node closes without an error where the answer is an upgrade that nobody asked for.
    request.on('close', () => {
      const error = new Error('the connection was closed without an answer')
      if (!answered) sending.then(() => resolve({ error, stale: false }), bodyFailed)
    })

    /** A pipeline whose source failed aborts the request, which then emits no error. */
    function bodyFailed(error: unknown): void {
      request.destroy()
      if (!answered) resolve({ error, stale: false })
    }
  })
}

async function endOf(request: ClientRequest, body: Uint8Array | undefined): Promise<void> {
  request.end(body)
}

function isStreamed(body: HttpRequest['body']): body is StreamedBody {
  return body !== undefined && !(body instanceof Uint8Array)
}

async function readAnswer(response: IncomingMessage, keptBytes: number): Promise<Answer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (bytes < keptBytes) chunks.push(chunk.subarray(0, keptBytes - bytes))
    bytes += chunk.length
  }
  const { statusCode = 0, headers } = response
  const body = Buffer.concat(chunks).toString('utf8')
  return { status: statusCode, headers, body, isWhole: bytes <= keptBytes }
}
