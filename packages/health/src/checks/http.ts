import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import { checkFunction, checkInteger, checkOneOf, checkString } from '@holdfast/core'
import type { Check, CheckOptions } from '../check.ts'
import { healthError } from '../errors.ts'

export interface HttpCheckOptions extends CheckOptions {
  readonly name: string
  /** `http:` or `https:`. Only its origin is ever shown. */
  readonly url: string | URL
  /** The status or statuses that pass, 100 to 599, or a test of them; redirects are not followed. @default any 2xx */
  readonly expect?: number | readonly number[] | ((status: number) => boolean)
  /**
   * What the body must hold: this text, a match, or whatever the test says. Read as UTF-8, up to
   * 64 KiB; a longer body fails. No part of it is ever shown. @default the body is not read
   */
  readonly expectBody?: string | RegExp | ((body: string) => boolean)
  /** @default 'GET' */
  readonly method?: 'GET' | 'HEAD' | 'OPTIONS'
  /** @default none */
  readonly headers?: Readonly<Record<string, string>>
  /** Certificates, where `https:` needs its own. */
  readonly tls?: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername'>
}

/**
 * Passes when the endpoint answers with an expected status, and body if one is expected.
 *
 * Each run opens its own connection and closes it: what is proven is that a
 * new client gets through.
 */
export function httpCheck(options: HttpCheckOptions): Check {
  const { url, expect, expectBody, method = 'GET', headers = {}, tls = {}, ...check } = options
  const { target, origin } = parse(url)
  checkOneOf('method', method, ['GET', 'HEAD', 'OPTIONS'])
  const expected = expectation(expect)
  const isExpected = expectBody === undefined ? undefined : bodyTest(expectBody, method)
  return { ...check, run }

  async function run(signal: AbortSignal): Promise<void> {
    const request = target.protocol === 'https:' ? httpsRequest : httpRequest
    const sent = request(target, { method, headers, agent: false, signal, ...tls }).end()
    try {
      const [response] = (await once(sent, 'response')) as [IncomingMessage]
      judgeStatus(response.statusCode ?? 0)
      if (isExpected) judgeBody(await readBody(response), isExpected)
    } finally {
      sent.on('error', ignoreReset).destroy()
    }
  }

  function judgeStatus(status: number): void {
    if (expected.accepts(status)) return
    throw healthError('CHECK_FAILED', `${method} ${origin} answered ${status}, expected ${expected.words}`, {
      fields: { origin, status },
    })
  }

  function judgeBody(body: string | undefined, isExpected: (body: string) => boolean): void {
    if (body !== undefined && isExpected(body)) return
    const answered = body === undefined ? `more than ${maxBodyBytes} bytes` : 'another body than expected'
    throw healthError('CHECK_FAILED', `${method} ${origin} answered with ${answered}`, { fields: { origin } })
  }
}

const maxBodyBytes = 65_536

/** The whole body as text; `undefined` for one that is too long. */
async function readBody(response: IncomingMessage): Promise<string | undefined> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part)
    bytes += part.length
    if (bytes > maxBodyBytes) return undefined
  }
  return Buffer.concat(parts).toString()
}

function bodyTest(expected: unknown, method: string): (body: string) => boolean {
  if (method === 'HEAD') throw new TypeError('expectBody needs another method than HEAD, which has no body')
  if (expected instanceof RegExp) {
    const pattern = new RegExp(expected.source, expected.flags.replace(/[gy]/g, ''))
    return (body) => pattern.test(body)
  }
  if (typeof expected === 'string') return (body) => body.includes(expected)
  return checkFunction('expectBody', expected as (body: string) => boolean)
}

/** We cut the connection ourselves once the status is known. */
function ignoreReset(): void {}

function parse(url: string | URL): { target: URL; origin: string } {
  const text = checkString('url', String(url))
  if (!URL.canParse(text)) throw new TypeError('url must be a URL such as http://127.0.0.1:8080/health')
  const target = new URL(text)
  checkOneOf('url: protocol', target.protocol, ['http:', 'https:'])
  return { target, origin: target.origin }
}

function expectation(expect: HttpCheckOptions['expect']): {
  accepts: (status: number) => boolean
  words: string
} {
  if (expect === undefined) return { accepts: (status) => status >= 200 && status < 300, words: '2xx' }
  if (typeof expect === 'function')
    return { accepts: checkFunction('expect', expect), words: 'another status' }
  const statuses = [expect].flat().map((status) => checkInteger('expect', status, { min: 100, max: 599 }))
  return { accepts: (status) => statuses.includes(status), words: statuses.join(' or ') }
}
