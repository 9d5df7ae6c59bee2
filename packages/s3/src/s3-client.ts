import { type Clock, systemClock } from '@holdfast/core'
import {
  createHttp,
  type Http,
  type HttpAnswer,
  type HttpOptions,
  type HttpProblem,
  type HttpRequest,
} from '@holdfast/snapshot/store'
import { AwsV4Signer } from 'aws4fetch'
import { errorOf } from './xml.ts'

/** As the AWS SDK's credential providers give them. */
export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
}

export interface S3Access extends HttpOptions {
  readonly region: string
  readonly credentials: S3Credentials | (() => Promise<S3Credentials>)
}

export interface S3Request extends HttpRequest {
  /** The SHA-256 of the body, by which the server tells that it came whole. */
  readonly sha256?: string
}

export interface S3Client {
  readonly http: Http
  /** Signs a request and sends it, once. */
  once(request: S3Request): Promise<HttpAnswer>
  /** The same, again after failures that may pass. */
  request(request: S3Request): Promise<HttpAnswer>
}

const emptySha256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** What S3 says of failures that may pass, besides 429 and 5xx. */
const passing = ['RequestTimeout', 'RequestTimeTooSkewed', 'ConditionalRequestConflict', 'OperationAborted']
/** And of credentials that are to be renewed. */
const outdated = ['ExpiredToken', 'InvalidToken', 'TokenRefreshRequired']

/**
 * Speaks HTTP to one S3 endpoint, each request signed with AWS's Signature Version 4.
 *
 * Where our clock is wrong, as on a host without NTP, the server's is used from its first refusal on.
 */
export function createS3Client(description: string, access: S3Access): S3Client {
  const { region, credentials, clock = systemClock } = access
  const renewable = typeof credentials === 'function'
  const http = createHttp(description, access, explain)
  const keys = new Map<string, ArrayBuffer>()
  let skewMs = 0
  return { http, once, request: (request) => http.repeat(() => once(request), request.signal) }

  async function once(request: S3Request): Promise<HttpAnswer> {
    const answer = await http.exchange(await signed(request))
    if (answer.status === 403) skewMs = skewOf(answer, clock) ?? skewMs
    // A redirect means another region or endpoint: the signature is for this one.
    return http.check(request, answer)
  }

  async function signed(request: S3Request): Promise<HttpRequest> {
    const { method = 'GET', url, headers, sha256 = emptySha256 } = request
    const { accessKeyId, secretAccessKey, sessionToken } = renewable
      ? await http.ask(credentials)
      : credentials
    const signer = new AwsV4Signer({
      method,
      url: url.href,
      headers: { ...headers, 'x-amz-content-sha256': sha256 },
      accessKeyId,
      secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      service: 's3',
      region,
      cache: keys,
      datetime: new Date(clock.wall() + skewMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
    })
    const { headers: all } = await signer.sign()
    const { host: _host, ...own } = Object.fromEntries(all)
    return { ...request, headers: own, redirect: 'manual' }
  }

  function explain({ status, bytes }: HttpAnswer): HttpProblem {
    if (status >= 300 && status < 400) return { reason: 'which leads elsewhere: check endpoint and region' }
    const { code, message } = errorOf(Buffer.from(bytes).toString())
    const may = passing.includes(code) || (renewable && outdated.includes(code))
    return { reason: `${code} ${message}`.trim(), ...(may && { retryable: true }) }
  }
}

/** How far our clock is behind the server's, where that is why it refused us. */
function skewOf({ headers, bytes }: HttpAnswer, clock: Clock): number | undefined {
  if (errorOf(Buffer.from(bytes).toString()).code !== 'RequestTimeTooSkewed') return undefined
  const theirs = Date.parse(headers.get('date') ?? '')
  return Number.isNaN(theirs) ? undefined : theirs - clock.wall()
}
