import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'
import type { Backoff, Clock } from '@holdfast/core'
import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { expect } from 'vitest'
import type { Uplink, UplinkEvents, UplinkJob, UplinkOptions, UplinkQueue } from './types.ts'
import { startUplink } from './uplink.ts'

/** What became of a message of the lab's queue. */
export interface LabMessage {
  readonly id: string
  readonly value: unknown
  attempts: number
  state: 'ready' | 'taken' | 'acked' | 'buried'
  error?: unknown
  extended: number
}

export interface LabQueue extends UplinkQueue {
  readonly messages: LabMessage[]
  put(...values: unknown[]): void
  ids(state: LabMessage['state']): string[]
  /** Every lease ends now: the messages are ready again, and who held them learns it. */
  loseLeases(): void
}

/** A queue in memory with tokens, as honest about leases as the real one; they end only when a test says so. */
export function createLabQueue(clock: Clock, options: { visibilityTimeoutMs?: number } = {}): LabQueue {
  const messages: LabMessage[] = []
  const tokens = new Map<LabMessage, symbol>()
  let arrival = new AbortController()

  return {
    ...options,
    messages,
    put(...values) {
      for (const value of values)
        messages.push({ id: `m${messages.length + 1}`, value, attempts: 0, state: 'ready', extended: 0 })
      wake()
    },
    ids: (state) => messages.filter((message) => message.state === state).map(({ id }) => id),
    loseLeases() {
      for (const message of messages) if (message.state === 'taken') free(message)
    },
    async take({ max, waitMs, signal }) {
      const until = clock.now() + waitMs
      for (;;) {
        const ready = messages.filter(({ state }) => state === 'ready').slice(0, max)
        if (ready.length > 0 || clock.now() >= until) return ready.map(lend)
        signal?.throwIfAborted()
        const wakers = signal ? [signal, arrival.signal] : [arrival.signal]
        await clock.sleep(until - clock.now(), AbortSignal.any(wakers))
      }
    },
  }

  function wake(): void {
    arrival.abort()
    arrival = new AbortController()
  }

  function free(message: LabMessage): void {
    tokens.delete(message)
    message.state = 'ready'
    wake()
  }

  function lend(message: LabMessage): UplinkJob {
    const token = Symbol(message.id)
    tokens.set(message, token)
    message.state = 'taken'
    message.attempts += 1
    const own = (effect: () => void) => async () => {
      if (tokens.get(message) !== token) return false
      effect()
      return true
    }
    const settle = (state: LabMessage['state']) => () => {
      tokens.delete(message)
      message.state = state
    }
    return {
      id: message.id,
      value: message.value,
      attempt: message.attempts,
      ack: own(settle('acked')),
      retry: own(() => free(message)),
      extend: own(() => {
        message.extended += 1
      }),
      bury: async (error) => {
        message.error = error
        return own(settle('buried'))()
      },
    }
  }
}

export interface LabRequest {
  readonly headers: IncomingMessage['headers']
  readonly contentType: string
  readonly text: string
  readonly ids: string[]
}

export type Responder = (
  request: LabRequest,
  response: ServerResponse,
  nth: number,
) => number | { status: number; headers?: Record<string, string>; body?: unknown } | undefined

export interface LabCollector extends AsyncDisposable {
  readonly url: string
  readonly requests: LabRequest[]
  readonly server: Server
}

/** A real collector on loopback. The responder answers, or returns undefined to deal with the response itself. */
export async function startLabCollector(respond: Responder = () => 204): Promise<LabCollector> {
  const requests: LabRequest[] = []
  const server = createServer((incoming, response) => {
    incoming.on('error', () => response.destroy())
    void read(incoming).then((request) => {
      requests.push(request)
      const answer = respond(request, response, requests.length)
      if (answer === undefined) return
      const { status, headers = {}, body } = typeof answer === 'number' ? { status: answer } : answer
      const json = typeof body === 'object' ? { 'content-type': 'application/json' } : {}
      response.writeHead(status, { ...json, ...headers })
      response.end(typeof body === 'object' ? JSON.stringify(body) : (body as string | undefined))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ingest`,
    requests,
    server,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function read(incoming: IncomingMessage): Promise<LabRequest> {
  const chunks: Buffer[] = []
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk)
  const raw = Buffer.concat(chunks)
  const { headers } = incoming
  const text = (headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw).toString()
  const lines = text.split('\n').filter((line) => line.startsWith('{'))
  const ids = lines.map((line) => (JSON.parse(line) as { id: string }).id)
  return { headers, contentType: String(headers['content-type']), text, ids }
}

/** Lets real I/O on loopback go on until the condition holds; fails the test's own timeout otherwise. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** Moves a fake clock along with real I/O, until the condition holds. */
export async function advanceUntil(
  clock: Clock & { advance(ms: number): Promise<void> },
  stepMs: number,
  condition: () => boolean,
): Promise<void> {
  while (!condition()) {
    await clock.advance(stepMs)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export const steady: Backoff = { minMs: 100, maxMs: 100, factor: 1, jitter: 'none' }

export interface Lab extends AsyncDisposable {
  readonly collector: LabCollector
  readonly queue: LabQueue
  readonly clock: FakeClock
  readonly uplink: Uplink
  /** What the uplink told, of one kind of event. */
  facts(event: keyof UplinkEvents): unknown[]
}

/** An uplink at work between both, on a fake clock. */
export async function startLab(respond?: Responder, options: Partial<UplinkOptions> = {}): Promise<Lab> {
  const collector = await startLabCollector(respond)
  const clock = createFakeClock()
  const queue = createLabQueue(clock)
  const batch = { maxAgeMs: 0, ...options.batch }
  const uplink = await startUplink({ queue, url: collector.url, clock, backoff: steady, ...options, batch })
  const told: [keyof UplinkEvents, unknown][] = []
  for (const event of heard) uplink.on(event, (fact: unknown = {}) => told.push([event, fact]))
  return {
    ...{ collector, queue, clock, uplink },
    facts: (event) => told.filter(([name]) => name === event).map(([, fact]) => fact),
    async [Symbol.asyncDispose]() {
      await uplink.close()
      await collector[Symbol.asyncDispose]()
      expect(clock.sleepers).toBe(0)
    },
  }
}

const heard = [
  ...(['shipped', 'refused', 'retried', 'split', 'opened'] as const),
  ...(['recovered', 'returned', 'leaseLost'] as const),
]
