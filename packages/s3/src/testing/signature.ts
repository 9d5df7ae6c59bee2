import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Why a request is refused, in S3's own words. */
export interface Refusal {
  readonly status: number
  readonly code: string
}

export interface Account {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly region: string
}

const mostSkewMs = 15 * 60_000

/**
 * Checks a request's Signature Version 4 as the AWS documentation tells to, from what has come
 * over the wire; undefined where all is right.
 */
export function checkSignature(
  request: IncomingMessage,
  body: Uint8Array,
  { accessKeyId, secretAccessKey, region }: Account,
  nowMs: number,
): Refusal | undefined {
  const [, key, date, scopeRegion, names = '', signature = ''] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    ) ?? []
  if (!key || !date) return { status: 403, code: 'AccessDenied' }
  if (key !== accessKeyId) return { status: 403, code: 'InvalidAccessKeyId' }
  if (scopeRegion !== region) return { status: 400, code: 'AuthorizationHeaderMalformed' }
  const time = String(request.headers['x-amz-date'])
  if (Math.abs(timeOf(time) - nowMs) > mostSkewMs || !time.startsWith(date))
    return { status: 403, code: 'RequestTimeTooSkewed' }
  const payload = String(request.headers['x-amz-content-sha256'])
  const scope = `${date}/${region}/s3/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical(request, names, payload))].join('\n')
  const derived = [date, region, 's3', 'aws4_request'].reduce<Buffer>(
    hmac,
    Buffer.from(`AWS4${secretAccessKey}`),
  )
  if (!timingSafeEqual(hmac(derived, toSign), Buffer.from(signature, 'hex')))
    return { status: 403, code: 'SignatureDoesNotMatch' }
  return payload === sha256(body) ? undefined : { status: 400, code: 'XAmzContentSHA256Mismatch' }
}

function canonical(request: IncomingMessage, names: string, payload: string): string {
  const url = new URL(request.url ?? '', 'http://host')
  const path = url.pathname
    .split('/')
    .map((part) => encode(decodeURIComponent(part)))
    .join('/')
  const query = [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort()
    .join('&')
  const headers = names
    .split(';')
    .map((name) => `${name}:${String(request.headers[name]).trim()}\n`)
    .join('')
  return [request.method, path, query, headers, names, payload].join('\n')
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** `20260131T235959Z` */
function timeOf(time: string): number {
  return Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
