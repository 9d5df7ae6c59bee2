import { type Clock, type Random, retry } from '@holdfast/core'
import { snapshotError } from '../errors.ts'

export interface RegistryAccess {
  username?: string | undefined
  password?: string | undefined
  clock: Clock
  random: Random
  /** Requests in all for one that fails with 429 or 5xx, or gets no answer. */
  attempts: number
}

export interface RegistryRequest {
  method?: 'GET' | 'HEAD' | 'POST' | 'PUT'
  headers?: Readonly<Record<string, string>>
  body?: Uint8Array
  signal?: AbortSignal | undefined
  /** Answers that are no failure, besides 2xx. */
  accept?: readonly number[]
}

export type RegistryClient = (url: URL, request?: RegistryRequest) => Promise<Response>

/** Speaks HTTP to an OCI registry: Basic and Bearer authentication (distribution-spec, docker token authentication), retries, coded errors. */
export function createRegistryClient(description: string, access: RegistryAccess): RegistryClient {
  const basic = access.username === undefined ? undefined : `Basic ${encoded(access)}`
  let authorization = basic
  return (url, request = {}) =>
    retry(() => once(url, request), {
      attempts: access.attempts,
      clock: access.clock,
      random: access.random,
      signal: request.signal,
    })

  async function once(url: URL, request: RegistryRequest): Promise<Response> {
    const answer = await send(url, request)
    if (answer.status !== 401) return checked(url, request, answer)
    await answer.body?.cancel()
    authorization = await authorize(answer.headers.get('www-authenticate') ?? '', request.signal)
    return checked(url, request, await send(url, request))
  }

  async function send(
    url: URL,
    { method = 'GET', headers = {}, body, signal }: RegistryRequest,
  ): Promise<Response> {
    const all = authorization === undefined ? headers : { ...headers, authorization }
    try {
      return await fetch(url, {
        method,
        headers: all,
        signal: signal ?? null,
        ...(body && { body: new Uint8Array(body) }),
      })
    } catch (cause) {
      signal?.throwIfAborted()
      throw failed(`${method} ${url.pathname} got no answer`, { cause })
    }
  }

  async function checked(url: URL, request: RegistryRequest, answer: Response): Promise<Response> {
    if (answer.ok || request.accept?.includes(answer.status)) return answer
    const { status } = answer
    const said = request.method === 'HEAD' ? '' : (await answer.text()).slice(0, 300)
    const retryable = status === 429 || status >= 500
    throw failed(`${request.method ?? 'GET'} ${url.pathname} got ${status} ${said}`, {
      retryable,
      fields: { status },
    })
  }

  async function authorize(challenge: string, signal: AbortSignal | undefined): Promise<string> {
    if (!/^bearer /i.test(challenge)) {
      if (basic === undefined) throw failed('it asks for a user name and password', { retryable: false })
      return basic
    }
    const asked = Object.fromEntries(
      [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    )
    const url = new URL(asked['realm'] ?? '')
    for (const name of ['service', 'scope']) if (asked[name]) url.searchParams.set(name, asked[name])
    const answer = await fetch(url, {
      headers: basic ? { authorization: basic } : {},
      signal: signal ?? null,
    })
    if (!answer.ok)
      throw failed(`its token service answered ${answer.status}`, { retryable: answer.status >= 500 })
    const { token, access_token } = (await answer.json()) as { token?: string; access_token?: string }
    return `Bearer ${token ?? access_token}`
  }

  function failed(
    problem: string,
    details: { cause?: unknown; retryable?: boolean; fields?: Record<string, unknown> },
  ): Error {
    return snapshotError('STORE_FAILED', `${description}: ${problem}`, details)
  }
}

function encoded({ username = '', password = '' }: RegistryAccess): string {
  return Buffer.from(`${username}:${password}`).toString('base64')
}
