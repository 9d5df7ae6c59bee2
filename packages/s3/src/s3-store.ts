import { randomUUID } from 'node:crypto'
import { checkInteger, checkOneOf, checkString } from '@holdfast/core'
import {
  type BlobStore,
  checkKey,
  dateOf,
  type HttpAnswer,
  type HttpOptions,
  isKey,
  type ListedObject,
  type ObjectStat,
  partOf,
  type ReadOptions,
  rangeHeaders,
  sha256,
  sizeOf,
  snapshotError,
  type WriteOptions,
} from '@holdfast/snapshot/store'
import { createS3Client, type S3Credentials } from './s3-client.ts'
import { errorOf, pageOf } from './xml.ts'

export interface S3StoreOptions extends HttpOptions {
  /** Such as `https://s3.eu-central-1.amazonaws.com`. */
  endpoint: string
  bucket: string
  /** Keys, or a function such as one of the AWS SDK's providers; it is called for each request, so it should remember them. */
  credentials: S3Credentials | (() => Promise<S3Credentials>)
  /** @default 'us-east-1' */
  region?: string
  /** Where in the bucket the objects are: a path of the characters of keys. @default the top */
  prefix?: string
  /** Whether the bucket stands in the path or in the host's name. @default 'path' */
  addressing?: 'path' | 'host'
  /** How many objects a page of a listing has, 1 to 1,000. @default 1_000 */
  pageSize?: number
}

interface CallOptions {
  signal?: AbortSignal | undefined
}

/** Marks an object with who wrote it, so that a repeated request knows its own work. */
const writerHeader = 'x-amz-meta-holdfast-writer'

/**
 * A repository in an S3 bucket.
 *
 * `ifAbsent` stands on `If-None-Match: *`; a server that ignores it is found out by the first such
 * write and refused with STORE_UNSUPPORTED. Every upload carries its SHA-256, against which the
 * server checks it. Objects are written by one PUT each, which S3 takes up to 5 GB. The clock is
 * the server's. In a versioned bucket a delete leaves the old version to a lifecycle rule.
 */
export function s3Store(options: S3StoreOptions): BlobStore {
  const { region = 'us-east-1', credentials } = options
  const bucket = checkString('bucket', options.bucket)
  const prefix = options.prefix === undefined ? '' : `${checkKey(options.prefix)}/`
  const pageSize = checkInteger('pageSize', options.pageSize ?? 1_000, { min: 1, max: 1_000 })
  const root = rootOf(checkString('endpoint', options.endpoint), bucket, options.addressing ?? 'path')
  checkString('region', region)
  if (typeof credentials !== 'function') {
    checkString('credentials.accessKeyId', credentials?.accessKeyId)
    checkString('credentials.secretAccessKey', credentials.secretAccessKey)
  }
  const description = `the bucket ${bucket}${prefix && `/${prefix.slice(0, -1)}`} at ${root.host}`
  const { http, once, request } = createS3Client(description, { ...options, region, credentials })
  let conditionsKept = false
  return { description, supports: { delete: true }, get, put, stat, list, delete: remove, now }

  function at(key: string): URL {
    return new URL(prefix + checkKey(key), root)
  }

  async function get(key: string, given: ReadOptions = {}): Promise<Uint8Array | undefined> {
    const { signal } = given
    if (given.length === 0) return (await stat(key, { signal })) && new Uint8Array()
    const asked = { url: at(key), headers: rangeHeaders(given), signal, accept: [404, 416] }
    return http.repeat(async () => {
      const answer = await once(asked)
      return isAbsent(answer) ? undefined : partOf(http, answer, given)
    }, signal)
  }

  async function put(key: string, parts: readonly Uint8Array[], given: WriteOptions = {}): Promise<boolean> {
    const { ifAbsent = false, signal } = given
    const upload = {
      method: 'PUT' as const,
      url: at(key),
      body: parts,
      sha256: /^blobs\/sha256\/([0-9a-f]{64})$/.exec(key)?.[1] ?? sha256(...parts),
      signal,
    }
    if (ifAbsent) return putIfAbsent(upload)
    await request(upload)
    return true
  }

  /** Who is told that there is one already may have written it, by an attempt whose answer was lost: the mark tells. */
  async function putIfAbsent(upload: {
    method: 'PUT'
    url: URL
    signal: AbortSignal | undefined
  }): Promise<boolean> {
    const { url, signal } = upload
    const writer = randomUUID()
    const conditional = {
      ...upload,
      headers: { 'if-none-match': '*', [writerHeader]: writer },
      accept: [412],
    }
    return http.repeat(async () => {
      const { status } = await once(conditional)
      if (status === 412) return (await writerOf(url, signal)) === writer
      if (!conditionsKept && (await once(conditional)).status !== 412) throw liar()
      conditionsKept = true
      return true
    }, signal)
  }

  async function writerOf(url: URL, signal: AbortSignal | undefined): Promise<string | undefined> {
    const { headers } = await once({ method: 'HEAD', url, signal, accept: [404] })
    return headers.get(writerHeader) ?? undefined
  }

  function liar(): Error {
    return snapshotError(
      'STORE_UNSUPPORTED',
      `${description} ignores If-None-Match, so that writers would overwrite one another: use another server`,
      { fields: { store: description } },
    )
  }

  async function stat(key: string, { signal }: CallOptions = {}): Promise<ObjectStat | undefined> {
    const answer = await request({ method: 'HEAD', url: at(key), signal, accept: [404] })
    if (answer.status === 404) return undefined
    return { size: sizeOf(http, answer), modifiedMs: dateOf(http, answer, 'last-modified') }
  }

  async function* list(start: string, { signal }: CallOptions = {}): AsyncIterable<ListedObject> {
    for (let next: string | undefined = ''; next !== undefined; ) {
      const page = await readPage(start, next, signal)
      for (const { key, ...found } of page.objects)
        if (isKey(key)) yield { key: key.slice(prefix.length), ...found }
      next = page.next
    }
  }

  async function readPage(start: string, token: string, signal: AbortSignal | undefined) {
    const url = new URL(root)
    const asked = {
      'list-type': '2',

      'max-keys': String(pageSize),
      prefix: prefix + start,
    }
    url.search = String(new URLSearchParams({ ...asked, ...(token && { 'continuation-token': token }) }))
    return http.repeat(async () => {
      const { bytes } = await once({ url, signal })
      const page = pageOf(Buffer.from(bytes).toString())
      if (page) return page
      throw http.failure('a page of its listing is broken')
    }, signal)
  }

  async function remove(key: string, { signal }: CallOptions = {}): Promise<void> {
    await request({ method: 'DELETE', url: at(key), signal, accept: [404] })
  }

  async function now(): Promise<number> {
    return dateOf(http, await request({ method: 'HEAD', url: root }), 'date')
  }

  /** A bucket that is not there is no absent object. */
  function isAbsent(answer: HttpAnswer): boolean {
    if (answer.status !== 404) return false
    if (errorOf(Buffer.from(answer.bytes).toString()).code !== 'NoSuchBucket') return true
    throw http.failure('there is no such bucket', { retryable: false, fields: { status: 404 } })
  }
}

function rootOf(endpoint: string, bucket: string, addressing: 'path' | 'host'): URL {
  const root = URL.canParse(endpoint) ? new URL(endpoint) : undefined
  if (
    !root ||
    !/^https?:$/.test(root.protocol) ||
    root.pathname !== '/' ||
    root.search + root.username + root.password !== ''
  )
    throw new RangeError(`endpoint must be such as https://s3.example, got ${root?.origin ?? endpoint}`)
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/.test(bucket))
    throw new RangeError(`bucket must be a bucket's name, got ${bucket}`)
  if (checkOneOf('addressing', addressing, ['path', 'host']) === 'path') root.pathname = `/${bucket}/`
  else root.host = `${bucket}.${root.host}`
  return root
}
