import {
  type Clock,
  checkFunction,
  checkInteger,
  checkMethods,
  checkOneOf,
  checkString,
  type Random,
  systemClock,
} from '@holdfast/core'

export interface EtcdStoreOptions {
  /** Members of one cluster: `http://host:port`, or `https://…` for all of them. The port is 2379 where none is named. */
  endpoints: readonly string[]
  /** For `https` endpoints. @default the machine's own certificate authorities, and no client certificate */
  tls?: EtcdTls
  auth?: EtcdAuth
  /** Stands before every key that this store reads and writes; a `/` at its end is wise. @default '' */
  namespace?: string
  /** `later`: opens without a connection, which the first call makes: for an agent that has to boot while etcd is down. @default 'now' */
  connect?: 'now' | 'later'
  /** Milliseconds until an unanswered call rejects with STORE_UNAVAILABLE, ≥ 1; connecting counts. @default 5_000 */
  requestTimeoutMs?: number
  /** HTTP/2 pings, by which a connection whose other end fell silent is noticed. */
  keepAlive?: {
    /** Silence before a ping, in milliseconds, ≥ 5_000: etcd cuts off who pings more often. @default 6_000 */
    timeMs?: number
    /** How long a ping may stay unanswered, ≥ 1. @default 2_000 */
    timeoutMs?: number
  }
  /** Bytes that one watch may hold for a reader that is behind, ≥ 1; past that it breaks with STORE_UNAVAILABLE. @default 64 MiB */
  watchBufferBytes?: number
  /** @default systemClock */
  clock?: Clock
  /** Chooses which endpoint is tried first, so that many clients spread over the members. @default Math.random */
  random?: Random
}

/** PEM files. They are read again while the store is open, and new ones serve new connections without a gap. */
export interface EtcdTls {
  /** The authorities that the servers' certificates are checked against. @default those of the machine */
  caFile?: string
  /** The client's certificate, followed by intermediate ones if any. */
  certFile?: string
  /** The key of `certFile`. */
  keyFile?: string
  /** The name to look for in the servers' certificates. @default the endpoint's host */
  serverName?: string
  /** Milliseconds between looks at the files, ≥ 100. @default 10_000 */
  reloadMs?: number
}

export interface EtcdAuth {
  username: string
  password: string
}

export interface Endpoint {
  /** As the caller wrote it. */
  readonly url: string
  /** As gRPC wants it: `host:port`. */
  readonly address: string
}

export interface CheckedOptions {
  endpoints: readonly Endpoint[]
  secure: boolean
  tls: EtcdTls & { reloadMs: number }
  auth: EtcdAuth | undefined
  namespace: string
  connect: 'now' | 'later'
  requestTimeoutMs: number
  keepAlive: { timeMs: number; timeoutMs: number }
  watchBufferBytes: number
  clock: Clock
  random: Random
}

const longestMs = 2 ** 31 - 1

/** Fills in the defaults. Throws TypeError and RangeError, naming the option. */
export function checkOptions(options: EtcdStoreOptions): CheckedOptions {
  const endpoints = checkEndpoints(options.endpoints)
  const secure = endpoints[0]!.url.startsWith('https:')
  const { requestTimeoutMs = 5_000, keepAlive = {}, watchBufferBytes = 64 * 2 ** 20 } = options
  if (options.tls && !secure) throw new TypeError('tls needs https endpoints')
  return {
    endpoints,
    secure,
    tls: checkTls(options.tls ?? {}),
    auth: options.auth && checkAuth(options.auth),
    namespace: checkNamespace(options.namespace ?? ''),
    connect: checkOneOf('connect', options.connect ?? 'now', ['now', 'later']),
    requestTimeoutMs: checkInteger('requestTimeoutMs', requestTimeoutMs, { min: 1, max: longestMs }),
    keepAlive: {
      timeMs: checkInteger('keepAlive.timeMs', keepAlive.timeMs ?? 6_000, { min: 5_000, max: longestMs }),
      timeoutMs: checkInteger('keepAlive.timeoutMs', keepAlive.timeoutMs ?? 2_000, {
        min: 1,
        max: longestMs,
      }),
    },
    watchBufferBytes: checkInteger('watchBufferBytes', watchBufferBytes, { min: 1 }),
    clock: checkMethods('clock', options.clock ?? systemClock, ['now', 'sleep']),
    random: checkFunction('random', options.random ?? Math.random),
  }
}

function checkEndpoints(endpoints: unknown): Endpoint[] {
  if (!Array.isArray(endpoints) || endpoints.length === 0)
    throw new TypeError('endpoints must be a list of at least one URL')
  const checked = endpoints.map((url, index) => checkEndpoint(`endpoints[${index}]`, url))
  if (new Set(checked.map(({ url }) => new URL(url).protocol)).size > 1)
    throw new TypeError('endpoints must be all http or all https')
  return checked
}

function checkEndpoint(option: string, value: unknown): Endpoint {
  const url = checkString(option, value)
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed?.username) throw new TypeError(`${option} must not name a user: use auth`)
  if (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.hostname === '')
    throw new TypeError(`${option} must be a URL such as http://127.0.0.1:2379, got ${JSON.stringify(url)}`)
  if (parsed.pathname !== '/' || parsed.search !== '')
    throw new TypeError(`${option} must end after its port, got ${JSON.stringify(url)}`)
  return { url, address: `${parsed.hostname}:${portOf(parsed, url)}` }
}

/** `URL` drops a port that is its scheme's own, which is not etcd's. */
function portOf({ port, protocol }: URL, url: string): string {
  if (port !== '') return port
  const own = protocol === 'https:' ? '443' : '80'
  return new RegExp(`:${own}/?$`).test(url) ? own : '2379'
}

function checkTls(tls: EtcdTls): CheckedOptions['tls'] {
  const { caFile, certFile, keyFile, serverName, reloadMs = 10_000 } = tls
  for (const [name, value] of Object.entries({ caFile, certFile, keyFile, serverName }))
    if (value !== undefined) checkString(`tls.${name}`, value)
  if ((certFile === undefined) !== (keyFile === undefined))
    throw new TypeError('tls.certFile and tls.keyFile go together')
  return { ...tls, reloadMs: checkInteger('tls.reloadMs', reloadMs, { min: 100, max: longestMs }) }
}

function checkAuth({ username, password }: EtcdAuth): EtcdAuth {
  return {
    username: checkString('auth.username', username),
    // A password must not stand in an error, so it is not shown.
    password: typeof password === 'string' && password !== '' ? password : noPassword(),
  }
}

function noPassword(): never {
  throw new TypeError('auth.password must be a non-empty string')
}

function checkNamespace(namespace: string): string {
  if (namespace !== '') checkString('namespace', namespace)
  if (/\p{Surrogate}/u.test(namespace)) throw new TypeError('namespace has half a surrogate pair')
  return namespace
}
