import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Headers } from './types.ts'
import type { Answer } from './verdict.ts'

export interface HttpRequest {
  readonly method: 'POST' | 'HEAD' | 'PATCH' | 'DELETE'
  readonly url: URL
  readonly headers: Headers
  readonly body?: Uint8Array | undefined
  readonly agent: Agent
  readonly signal: AbortSignal
}

/** No more of an answer's body than this is kept, in bytes. */
const keptBytes = 64 * 1024

/**
 * Sends one request and reads its answer, whatever its status.
 *
 * Rejects when there is none, or with the signal's reason. A kept-alive
 * connection that turns out to have been closed by the other side meanwhile is
 * no failure: the request goes out again on another one. An answer that arrives
 * before the whole body was sent counts.
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

function exchangeOnce({ method, url, headers, body, agent, signal }: HttpRequest): Promise<Result> {
  return new Promise((resolve) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest
    const length = body === undefined ? {} : { 'content-length': String(body.length) }
    const request = send(url, { method, headers: { ...headers, ...length }, agent, signal })
    let answered = false
    request.once('response', (response) => {
      answered = true
      readAnswer(response).then(
        (answer) => resolve({ answer }),
        (error: unknown) => resolve({ error, stale: false }),
      )
    })
    // Stays on to the end: what goes wrong after the answer began is told by reading it.
    request.on('error', (error: NodeJS.ErrnoException) => {
      if (!answered) resolve({ error, stale: request.reusedSocket && error.code === 'ECONNRESET' })
    })
    request.end(body)
  })
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    if (bytes < keptBytes) chunks.push(chunk.subarray(0, keptBytes - bytes))
    bytes += chunk.length
  }
  const { statusCode = 0, headers } = response
  return { status: statusCode, headers, body: Buffer.concat(chunks).toString('utf8') }
}
