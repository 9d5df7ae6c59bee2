import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Clock, systemClock } from '@holdfast/core'
import type { OciCredentials } from '../registry-client.ts'
import { createGate, type Gate } from './gate.ts'

export interface MemoryRegistryOptions {
  /** How clients must say who they are. @default 'none' */
  authentication?: 'none' | 'basic' | 'bearer'
  /** How many tags a page of a listing has at most. @default 100 */
  pageSize?: number
  /** Sees each request first; one that it has answered, or cut off, goes no further if it returns true. */
  intercept?: (request: IncomingMessage, response: ServerResponse) => boolean
  /** Of the server. @default systemClock */
  clock?: Clock
}

/** An OCI registry on loopback, in memory. */
export interface MemoryRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  readonly host: string
  readonly url: string
  /** Who may read and write, where it asks. */
  readonly credentials: OciCredentials
  /** By digest, of all repositories; tests may change them. */
  readonly blobs: Map<string, Uint8Array>
  /** Makes every token that was granted worthless. */
  expireTokens(): void
}

interface Repository {
  readonly tags: Map<string, string>
  readonly manifests: Set<string>
  readonly blobs: Set<string>
}

/** Thrown where a request is refused. */
interface RegistryError {
  readonly status: number
  readonly code: string
}

/**
 * Starts as much of the OCI distribution-spec as clients need to push and pull, for tests and
 * examples: digests are verified, a manifest is taken only when all that it points to is there.
 * It forgets everything when disposed.
 */
export async function startMemoryRegistry(options: MemoryRegistryOptions = {}): Promise<MemoryRegistry> {
  const { pageSize = 100, clock = systemClock } = options
  const repositories = new Map<string, Repository>()
  const blobs = new Map<string, Uint8Array>()
  const server = createServer((request, response) => {
    if (options.intercept?.(request, response)) return
    response.setHeader('date', new Date(clock.wall()).toUTCString())
    answer(request, response).catch((error: RegistryError) => refuse(request, response, error))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const gate: Gate = createGate(options.authentication ?? 'none', host)
  return {
    host,
    url: `http://${host}`,
    credentials: gate.credentials,
    blobs,
    expireTokens: gate.expireTokens,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await once(server.close(), 'close')
    },
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request)
    const url = new URL(request.url ?? '', `http://${host}`)
    if (gate.answers(request, url, response)) return
    if (url.pathname === '/v2/') return void response.end('{}')
    const [, name, kind, reference = ''] =
      /^\/v2\/(.+?)\/(blobs\/uploads|blobs|manifests|tags)\/(.*)$/.exec(url.pathname) ?? []
    if (!name || !kind) throw { status: 404, code: 'NAME_UNKNOWN' } satisfies RegistryError
    const repository = repositoryOf(name)
    if (kind === 'blobs/uploads') return upload(request, response, url, repository, body)
    if (kind === 'tags') return listTags(response, url, repository)
    if (kind === 'blobs') return sendBlob(request, response, repository.blobs.has(reference) ? reference : '')
    if (request.method === 'PUT') return putManifest(response, repository, reference, body)
    const digest = repository.tags.get(reference) ?? reference
    if (!repository.manifests.has(digest))
      throw { status: 404, code: 'MANIFEST_UNKNOWN' } satisfies RegistryError
    response.setHeader(
      'content-type',
      String((jsonOf(blobs.get(digest)!) as { mediaType?: string }).mediaType),
    )
    response.setHeader('docker-content-digest', digest)
    sendBlob(request, response, digest)
  }

  function repositoryOf(name: string): Repository {
    const known = repositories.get(name)
    if (known) return known
    const made = { tags: new Map(), manifests: new Set<string>(), blobs: new Set<string>() }
    repositories.set(name, made)
    return made
  }

  /** A POST begins an upload, a PUT with all the bytes ends it. */
  function upload(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    repository: Repository,
    body: Uint8Array,
  ): void {
    const location = url.pathname.replace(/[^/]*$/, '')
    if (request.method === 'POST')
      return void response.writeHead(202, { location: `${location}${randomUUID()}?state=1` }).end()
    const digest = url.searchParams.get('digest') ?? ''
    if (digestOf(body) !== digest) throw { status: 400, code: 'DIGEST_INVALID' } satisfies RegistryError
    keep(repository.blobs, body)
    response.writeHead(201, { 'docker-content-digest': digest }).end()
  }

  function putManifest(
    response: ServerResponse,
    repository: Repository,
    reference: string,
    body: Uint8Array,
  ): void {
    const { config, layers = [] } = jsonOf(body) as {
      config?: { digest: string }
      layers?: { digest: string }[]
    }
    if ([...layers, ...(config ? [config] : [])].some(({ digest }) => !repository.blobs.has(digest)))
      throw { status: 404, code: 'MANIFEST_BLOB_UNKNOWN' } satisfies RegistryError
    const digest = keep(repository.manifests, body)
    if (reference.startsWith('sha256:') && reference !== digest)
      throw { status: 400, code: 'DIGEST_INVALID' } satisfies RegistryError
    if (!reference.startsWith('sha256:')) repository.tags.set(reference, digest)
    response.writeHead(201, { 'docker-content-digest': digest }).end()
  }

  function keep(where: Set<string>, bytes: Uint8Array): string {
    const digest = digestOf(bytes)
    blobs.set(digest, bytes)
    where.add(digest)
    return digest
  }

  function listTags(response: ServerResponse, url: URL, { tags }: Repository): void {
    if (tags.size === 0) throw { status: 404, code: 'NAME_UNKNOWN' } satisfies RegistryError
    const rest = [...tags.keys()].sort().filter((tag) => tag > (url.searchParams.get('last') ?? ''))
    const count = Math.min(pageSize, Number(url.searchParams.get('n') ?? pageSize))
    const page = rest.slice(0, count)
    const next = `${url.pathname}?n=${count}&last=${page.at(-1)}`
    if (page.length < rest.length) response.setHeader('link', `<${next}>; rel="next"`)
    response.end(JSON.stringify({ tags: page }))
  }

  function sendBlob({ method, headers }: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = blobs.get(digest)
    if (!bytes) throw { status: 404, code: 'BLOB_UNKNOWN' } satisfies RegistryError
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? []
    if (first === undefined || method === 'HEAD') {
      response.setHeader('content-length', bytes.length)
      return void response.end(method === 'HEAD' ? undefined : bytes)
    }
    if (Number(first) >= bytes.length) throw { status: 416, code: 'RANGE_INVALID' } satisfies RegistryError
    const part = bytes.subarray(Number(first), last ? Number(last) + 1 : undefined)
    const range = `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}`
    response.writeHead(206, { 'content-range': range, 'content-length': part.length }).end(part)
  }
}

async function bodyOf(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part)
  return Buffer.concat(parts)
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

function jsonOf(bytes: Uint8Array): unknown {
  return JSON.parse(Buffer.from(bytes).toString())
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  { status = 500, code }: RegistryError,
): void {
  if (request.destroyed && !request.complete) return // It was cut off: nobody is there to be told.
  const body = JSON.stringify({ errors: [{ code, message: code }] })
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(request.method === 'HEAD' ? undefined : body)
}
