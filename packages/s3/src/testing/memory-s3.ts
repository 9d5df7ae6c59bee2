import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from '@holdfast/core'
import type { S3Credentials } from '../s3-client.ts'
import { checkSignature } from './signature.ts'

export interface MemoryS3Options {
  /** @default 'us-east-1' */
  region?: string
  /** Whether it keeps `If-None-Match: *`, as a good server does. @default true */
  conditional?: boolean
  /** Sees each request first; one that it has answered, or cut off, goes no further if it returns true. */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Of the server. @default systemClock */
  clock?: Clock
}

/** A server on loopback, with one bucket in memory. */
export interface MemoryS3 extends AsyncDisposable {
  readonly endpoint: string
  readonly bucket: string
  readonly region: string
  readonly credentials: S3Credentials
  /** What it holds; tests may change it. */
  readonly objects: Map<string, StoredObject>
}

export interface StoredObject {
  bytes: Uint8Array
  modifiedMs: number
  readonly meta: Readonly<Record<string, string>>
}

/** Thrown where a request is refused. */
interface S3Error {
  readonly status: number
  readonly code: string
}

/**
 * Starts as much of an S3 as a blob store needs, for tests: signatures and checksums are verified,
 * conditions kept, listings paged. It forgets everything when disposed.
 */
export async function startMemoryS3(options: MemoryS3Options = {}): Promise<MemoryS3> {
  const { region = 'us-east-1', conditional = true, clock = systemClock } = options
  const bucket = 'bucket'
  const credentials = { accessKeyId: 'memory', secretAccessKey: 'not a secret' }
  const objects = new Map<string, StoredObject>()
  const server = createServer((request, response) => {
    if (options.intercept?.(request, response)) return
    response.setHeader('date', new Date(clock.wall()).toUTCString())
    answer(request, response).catch((error: S3Error) => refuse(request, response, error))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    bucket,
    region,
    credentials,
    objects,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    const refusal = checkSignature(request, body, { ...credentials, region }, clock.wall())
    if (refusal) throw refusal
    const url = new URL(request.url ?? '', 'http://host')
    // The bucket is named by the host or by the path.
    const named = request.headers.host?.startsWith(`${bucket}.`) ? `/${bucket}${url.pathname}` : url.pathname
    const [, first, key = ''] = /^\/([^/]*)(?:\/(.*))?$/s.exec(decodeURIComponent(named)) ?? []
    if (first !== bucket) throw { status: 404, code: 'NoSuchBucket' } satisfies S3Error
    if (key !== '') return onObject(request, response, key, body)
    if (request.method === 'HEAD') return void response.end()
    response.setHeader('content-type', 'application/xml').end(page(url.searchParams))
  }

  function onObject(request: IncomingMessage, response: ServerResponse, key: string, body: Uint8Array): void {
    if (request.method === 'PUT') {
      if (conditional && request.headers['if-none-match'] === '*' && objects.has(key))
        throw { status: 412, code: 'PreconditionFailed' } satisfies S3Error
      objects.set(key, { bytes: body, modifiedMs: clock.wall(), meta: metaOf(request) })
      return void response.end()
    }
    if (request.method === 'DELETE') {
      objects.delete(key)
      return void response.writeHead(204).end()
    }
    const found = objects.get(key)
    if (!found) throw { status: 404, code: 'NoSuchKey' } satisfies S3Error
    for (const [name, value] of Object.entries(found.meta)) response.setHeader(name, value)
    response.setHeader('last-modified', new Date(found.modifiedMs).toUTCString())
    send(request, response, found.bytes)
  }

  function page(asked: URLSearchParams): string {
    const [prefix, after] = [asked.get('prefix') ?? '', asked.get('continuation-token') ?? '']
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort()
    const shown = keys.slice(0, Number(asked.get('max-keys') ?? 1_000))
    const contents = shown.map((key) => {
      const { bytes, modifiedMs } = objects.get(key)!
      const modified = new Date(modifiedMs).toISOString()
      return `<Contents><Key>${escaped(key)}</Key><LastModified>${modified}</LastModified><Size>${bytes.length}</Size></Contents>`
    })
    const truncated = shown.length < keys.length
    const next = truncated
      ? `<NextContinuationToken>${escaped(shown.at(-1) ?? '')}</NextContinuationToken>`
      : ''
    return `<?xml version="1.0"?><ListBucketResult><IsTruncated>${truncated}</IsTruncated>${contents.join('')}${next}</ListBucketResult>`
  }
}

function escaped(text: string): string {
  return text.replace(/[&<>]/g, (one) => `&#${one.charCodeAt(0)};`)
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  const body = Buffer.concat(parts)
  if (body.length === Number(request.headers['content-length'] ?? 0)) return body
  throw { status: 400, code: 'IncompleteBody' } satisfies S3Error
}

function send({ method, headers }: IncomingMessage, response: ServerResponse, bytes: Uint8Array): void {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? []
  // As S3 does, it ignores a range that makes no sense.
  if (first === undefined || (last && Number(last) < Number(first))) {
    response.setHeader('content-length', bytes.length)
    return void response.end(method === 'HEAD' ? undefined : bytes)
  }
  if (Number(first) >= bytes.length) throw { status: 416, code: 'InvalidRange' } satisfies S3Error
  const part = bytes.subarray(Number(first), last ? Number(last) + 1 : undefined)
  const range = `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}`
  response.writeHead(206, { 'content-range': range, 'content-length': part.length }).end(part)
}

function metaOf({ headers }: IncomingMessage): Record<string, string> {
  const own = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'))
  return Object.fromEntries(own.map(([name, value]) => [name, String(value)]))
}

function refuse(request: IncomingMessage, response: ServerResponse, { status = 500, code }: S3Error): void {
  if (request.destroyed && !request.complete) return // It was cut off: nobody is there to be told.
  response.writeHead(status, { 'content-type': 'application/xml' })
  response.end(
    request.method === 'HEAD' ? undefined : `<Error><Code>${code}</Code><Message>${code}</Message></Error>`,
  )
}
