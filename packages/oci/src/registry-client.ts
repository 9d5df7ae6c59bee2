import {
  createHttp,
  type Http,
  type HttpAnswer,
  type HttpOptions,
  type HttpProblem,
  type HttpRequest,
} from '@holdfast/snapshot/store'

export interface OciCredentials {
  readonly username: string
  readonly password: string
}

export interface RegistryClient {
  readonly http: Http
  /** Sends a request, once but for its authentication. */
  once(request: HttpRequest): Promise<HttpAnswer>
  /** The same, again after failures that may pass. */
  request(request: HttpRequest): Promise<HttpAnswer>
  /** Where an answer leads to; throws STORE_FAILED for what is no URL. */
  lead(to: string, from: URL): URL
  /** The JSON object that an answer must be; throws STORE_FAILED for any other. */
  json(bytes: Uint8Array): Record<string, unknown>
}

/** What may pass: Docker's registry says so while the same blob is being pushed from two sides. */
const passing = ['MANIFEST_BLOB_UNKNOWN', 'BLOB_UPLOAD_UNKNOWN', 'BLOB_UPLOAD_INVALID']

/**
 * Speaks HTTP to one OCI registry, with Basic and Bearer authentication as it asks for.
 *
 * Credentials and tokens go to the registry's own origin, and to the token service that it
 * names, but never from https to http.
 */
export function createRegistryClient(
  base: URL,
  description: string,
  options: HttpOptions & { credentials?: OciCredentials | (() => Promise<OciCredentials>) | undefined },
): RegistryClient {
  const http = createHttp(description, options, explain)
  const { credentials } = options
  let authorization: string | undefined
  return {
    http,
    once,
    request: (request) => http.repeat(() => once(request), request.signal),
    lead,
    json,
  }

  async function once(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await http.exchange(withAuthorization(request, authorization))
    if (answer.status !== 401 || request.url.origin !== base.origin) return http.check(request, answer)
    const challenge = answer.headers.get('www-authenticate') ?? ''
    const granted = await authorize(challenge, request.signal)
    if (granted === undefined) return http.check(request, answer)
    authorization = granted
    return http.check(request, await http.exchange(withAuthorization(request, granted)))
  }

  /** An upload may lead to another host, which has no business with what we may do here. */
  function withAuthorization(request: HttpRequest, value: string | undefined): HttpRequest {
    if (value === undefined || request.url.origin !== base.origin) return request
    return { ...request, headers: { ...request.headers, authorization: value } }
  }

  /** What answers the registry's challenge; undefined where we have nothing to answer it with. */
  async function authorize(challenge: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const given = typeof credentials === 'function' ? await http.ask(credentials) : credentials
    const basic = given && `Basic ${Buffer.from(`${given.username}:${given.password}`).toString('base64')}`
    return /^bearer /i.test(challenge) ? token(challenge, basic, signal) : basic
  }

  /** By the distribution project's token authentication. */
  async function token(
    challenge: string,
    basic: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const { realm = '', ...asked } = parametersOf(challenge)
    if (!URL.canParse(realm))
      throw http.failure(`it names the token service '${realm}'`, { retryable: false })
    const url = new URL(realm)
    if (base.protocol === 'https:' && url.protocol !== 'https:')
      throw http.failure(`its token service ${url.origin} is not safe`, { retryable: false })
    for (const name of ['service', 'scope']) if (asked[name]) url.searchParams.set(name, asked[name])
    const request = { url, headers: basic ? { authorization: basic } : {}, signal }
    const { bytes } = http.check(request, await http.exchange(request))
    const answer = json(bytes)
    const granted = answer['token'] ?? answer['access_token']
    if (typeof granted !== 'string')
      throw http.failure(`${url.origin} granted no token`, { retryable: false })
    return `Bearer ${granted}`
  }

  function lead(to: string, from: URL): URL {
    if (URL.canParse(to, from.href)) return new URL(to, from)
    throw http.failure(`it leads to '${to}'`)
  }

  function json(bytes: Uint8Array): Record<string, unknown> {
    try {
      const value: unknown = JSON.parse(Buffer.from(bytes).toString())
      if (typeof value === 'object' && value !== null) return value as Record<string, unknown>
    } catch (cause) {
      throw http.failure('it answers no JSON', { cause })
    }
    throw http.failure('it answers no JSON object')
  }
}

function explain({ bytes }: HttpAnswer): HttpProblem {
  const reason = Buffer.from(bytes).toString().slice(0, 300)
  return { reason, ...(passing.some((code) => reason.includes(code)) && { retryable: true }) }
}

function parametersOf(challenge: string): Record<string, string> {
  const found = challenge.matchAll(/(\w+)="([^"]*)"/g)
  return Object.fromEntries([...found].map(([, name, value]) => [name!.toLowerCase(), value!]))
}
