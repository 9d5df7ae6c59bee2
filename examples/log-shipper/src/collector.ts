import { mkdir } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough, type Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import { FileStore } from '@tus/file-store'
import { Server as TusServer } from '@tus/server'
import type { LogLine } from './shipper.ts'

/** What came in, counted where it arrived. */
export interface Received {
  /** Lines kept, each under the id that its queue gave it. */
  readonly lines: ReadonlyMap<string, LogLine>
  /** Deliveries of an id that was here already: dropped, as at-least-once asks. */
  readonly redelivered: number
  readonly requests: number
  /** Of bodies with lines: as sent, and unpacked. */
  readonly wireBytes: number
  readonly textBytes: number
  /** The most lines that came within any second. */
  readonly peak: number
  /** Bytes of uploads that came over the line, the resent ones included. */
  readonly uploadBytes: number
}

/** The other side: takes lines as the uplink sends them, and files as tus clients do; misbehaves on request. */
export interface Collector extends AsyncDisposable {
  readonly url: string
  received(): Received
  /** Answers the next so many batches with 503 and a Retry-After of a second. */
  beBusy(batches: number): void
  /** Goes away: its port refuses, connections break in the middle. */
  cut(): Promise<void>
  reconnect(): Promise<void>
}

/** No line may be longer, in characters. */
const longestLine = 4_096

/** @param folder where uploads are kept, each as a file */
export async function startCollector(folder: string): Promise<Collector> {
  const lines = new Map<string, LogLine>()
  const counts = { redelivered: 0, requests: 0, wireBytes: 0, textBytes: 0, uploadBytes: 0 }
  const arrivals = createArrivals()
  let busy = 0
  await mkdir(folder, { recursive: true })
  const datastore = new CountingStore({ directory: folder }, (bytes) => {
    counts.uploadBytes += bytes
  })
  const tus = new TusServer({ path: '/files', datastore, relativeLocation: true })
  let server = await listen(0)
  const { port } = server.address() as AddressInfo

  return {
    url: `http://127.0.0.1:${port}`,
    received: () => ({ lines, peak: arrivals.peak(), ...counts }),
    beBusy(batches) {
      busy = batches
    },
    cut,
    reconnect: async () => {
      server = await listen(port)
    },
    [Symbol.asyncDispose]: cut,
  }

  async function listen(at: number): Promise<Server> {
    const listening = createServer((request, response) => {
      const answering =
        request.url === '/lines' ? takeLines(request, response) : tus.handle(request, response)
      answering.catch(() => response.destroy())
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

  async function takeLines(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = await read(request)
    counts.requests += 1
    if (busy > 0) {
      busy -= 1
      response.writeHead(503, { 'retry-after': '1' }).end('too much at once')
      return
    }
    const messages = text.split('\n').filter((line) => line !== '')
    const results = messages.map((message) => keep(JSON.parse(message)))
    arrivals.add(messages.length)
    response.writeHead(207, { 'content-type': 'application/json' }).end(JSON.stringify({ results }))
  }

  async function read(request: IncomingMessage): Promise<string> {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part)
    const bytes = Buffer.concat(parts)
    const plain = request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
    counts.wireBytes += bytes.length
    counts.textBytes += plain.length
    return plain.toString()
  }

  function keep({ id, value }: { id: string; value: LogLine }) {
    if (value.text.length > longestLine)
      return {
        id,
        status: 422,
        error: `a line of ${value.text.length} characters; ${longestLine} are the most`,
      }
    if (lines.has(id)) counts.redelivered += 1
    lines.set(id, value)
    return { id, status: 200 }
  }
}

/** Counts what comes over the line, which may be more than what is kept. */
class CountingStore extends FileStore {
  readonly #count: (bytes: number) => void

  constructor(options: { directory: string }, count: (bytes: number) => void) {
    super(options)
    this.#count = count
  }

  override write(source: Readable, id: string, offset: number): Promise<number> {
    const counted = new PassThrough()
    source.on('data', (part: Buffer) => this.#count(part.length))
    source.on('error', (error) => counted.destroy(error))
    return super.write(source.pipe(counted), id, offset)
  }
}

/** When how many arrived. */
function createArrivals() {
  const seen: { at: number; count: number }[] = []
  return {
    add: (count: number) => void seen.push({ at: performance.now(), count }),
    /** The most within any second. */
    peak(): number {
      let most = 0
      let sum = 0
      let first = 0
      for (const { at, count } of seen) {
        sum += count
        for (; at - (seen[first]?.at ?? at) >= 1_000; first += 1) sum -= seen[first]?.count ?? 0
        most = Math.max(most, sum)
      }
      return most
    },
  }
}
