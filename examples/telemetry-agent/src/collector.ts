import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isDeepStrictEqual } from 'node:util'
import { gunzipSync } from 'node:zlib'
import type { Beat, TelemetryRecord } from './record.ts'

/** What came in, counted where it arrived. */
export interface Received {
  /** Records kept, each under the id that its queue gave it. */
  readonly records: ReadonlyMap<string, TelemetryRecord>
  /** Deliveries of an id that was here already, with the same content: dropped, as at-least-once asks. */
  readonly redelivered: number
  /** Ids that came back with other content: an identity issued twice. */
  readonly clashes: number
  /** Observations kept more than once, under different ids. */
  readonly duplicates: number
  readonly beats: readonly Beat[]
}

export interface Collector extends AsyncDisposable {
  readonly url: string
  received(): Received
  /** Goes away: its port refuses, connections break in the middle. */
  cut(): Promise<void>
  reconnect(): Promise<void>
  close(): Promise<void>
}

/** A plain HTTP server that keeps every record once, by its id. */
export async function startCollector(): Promise<Collector> {
  const records = new Map<string, TelemetryRecord>()
  const observations = new Set<string>()
  const beats: Beat[] = []
  const counts = { redelivered: 0, clashes: 0, duplicates: 0 }
  let server = await listen(0)
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    received: () => ({ records, beats, ...counts }),
    cut,
    reconnect: async () => {
      server = await listen(port)
    },
    close: cut,
    [Symbol.asyncDispose]: cut,
  }

  async function listen(at: number): Promise<Server> {
    const listening = createServer((request, response) => {
      answer(request, response).catch((error: unknown) => response.writeHead(400).end(String(error)))
    })
    await new Promise<void>((resolve, reject) => {
      listening.once('error', reject).listen(at, '127.0.0.1', resolve)
    })
    return listening
  }

  async function cut(): Promise<void> {
    if (!server.listening) return
    const closed = new Promise((resolve) => server.close(resolve))
    server.closeAllConnections()
    await closed
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await read(request)
    if (request.url === '/beats') beats.push(JSON.parse(body) as Beat)
    else for (const line of body.split('\n')) if (line !== '') keep(JSON.parse(line))
    response.writeHead(204).end()
  }

  function keep({ id, value }: { id: string; value: TelemetryRecord }): void {
    const known = records.get(id)
    if (known) counts[isDeepStrictEqual(known, value) ? 'redelivered' : 'clashes'] += 1
    else {
      if (observations.has(value.observation)) counts.duplicates += 1
      observations.add(value.observation)
      records.set(id, value)
    }
  }
}

async function read(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  const bytes = Buffer.concat(parts)
  return (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString()
}
