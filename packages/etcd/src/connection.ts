import type { Clock, HoldfastError } from '@holdfast/core'
import type { Etcd3, IDuplexStream } from 'etcd3'
import { createAuthentication } from './authentication.ts'
import { type Call, type CallOptions, createCall } from './grpc.ts'
import type { EtcdAuth } from './options.ts'
import { isAuthenticationOff, isConnectionLost, isStaleToken, type Status, toStoreError } from './status.ts'

/**
 * One client to one endpoint, with all that rides on it.
 *
 * It breaks once, as a whole, at the first sign that its other end cannot serve: every call in
 * flight and every stream ends with the error, and another connection takes its place. It never
 * reconnects by itself.
 */
export interface Connection {
  readonly endpoint: string
  /** Why it broke. */
  readonly broken: HoldfastError | undefined
  /** When anything was last heard from the other end, by the clock. */
  readonly heardMs: number
  /** Does one unary call. Renews an expired token and repeats the call, which was not applied then. */
  unary<T>(
    purpose: Purpose,
    run: (client: Etcd3, options: CallOptions) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T>
  stream<Request, Response>(plan: StreamPlan<Request, Response>): Promise<ClientStream<Request>>
  /** A token for the next stream that is newer than the one that this stream was opened with. */
  renewToken(stale: string | undefined): Promise<void>
  break(reason: HoldfastError): void
  /** Calls the listener once, when it breaks; at once where it is broken. */
  onBroken(listener: (reason: HoldfastError) => void): void
  /** Closes, with this reason, once nothing rides on it any more. */
  retire(reason: HoldfastError): void
  /** To be called when a stream became idle. */
  settled(): void
}

/** What a call is for, for its errors. */
export interface Purpose {
  readonly what: string
  readonly fields?: Readonly<Record<string, unknown>>
}

export interface StreamPlan<Request, Response> {
  what: string
  open(client: Etcd3, options: CallOptions): Promise<IDuplexStream<Request, Response>>
  /** Whether nobody waits for anything on it. */
  isIdle(): boolean
  onData(response: Response): void
  /** Called once, unless `end` came first. */
  onBroken(error: HoldfastError): void
}

export interface ClientStream<Request> {
  /** The token that it was opened with. */
  readonly token: string | undefined
  write(request: Request): void
  end(): void
}

export interface ConnectionOptions {
  endpoint: string
  client: Etcd3
  clock: Clock
  auth: EtcdAuth | undefined
}

export function createConnection(options: ConnectionOptions): Connection {
  const { endpoint, client, clock } = options
  const authentication = createAuthentication(options.auth, authenticate)
  const calls = new Set<Call>()
  const streams = new Map<StreamPlan<never, never>['isIdle'], (error: HoldfastError) => void>()
  const listeners: ((reason: HoldfastError) => void)[] = []
  let broken: HoldfastError | undefined
  let retired: HoldfastError | undefined
  let heardMs = Number.NEGATIVE_INFINITY

  return {
    endpoint,
    get broken() {
      return broken
    },
    get heardMs() {
      return heardMs
    },
    unary,
    stream,
    renewToken: authentication.renew,
    break: breakNow,
    onBroken(listener) {
      if (broken) listener(broken)
      else listeners.push(listener)
    },
    retire(reason) {
      retired = reason
      settled()
    },
    settled,
  }

  async function unary<T>(
    purpose: Purpose,
    run: (client: Etcd3, options: CallOptions) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const token = await authentication.token()
    try {
      return await once(purpose, run, token, signal)
    } catch (error) {
      if (!options.auth || !isStaleToken(error)) throw error
      await authentication.renew(token)
      return await once(purpose, run, await authentication.token(), signal)
    }
  }

  /** Resolves to undefined where etcd asks for no authentication, as etcd's own client takes it. */
  async function authenticate(name: string, password: string): Promise<string | undefined> {
    try {
      const run = (_: Etcd3, callOptions: CallOptions) =>
        client.auth.authenticate({ name, password }, callOptions)
      return (await once({ what: 'authenticate' }, run)).token
    } catch (error) {
      if (isAuthenticationOff(error)) return undefined
      throw error
    }
  }

  async function once<T>(
    purpose: Purpose,
    run: (client: Etcd3, options: CallOptions) => Promise<T>,
    token?: string,
    signal?: AbortSignal,
  ): Promise<T> {
    signal?.throwIfAborted()
    if (broken) throw broken
    const call = createCall({ token })
    const cancel = (): void => call.cancel()
    calls.add(call)
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      const result = await run(client, call.options)
      heardMs = clock.now()
      return result
    } catch (cause) {
      throw failure(purpose, call.status, cause, signal)
    } finally {
      signal?.removeEventListener('abort', cancel)
      calls.delete(call)
      settled()
    }
  }

  /** What a failed call rejects with: the abort's reason, why the connection broke, or what the status says. */
  function failure(
    { what, fields }: Purpose,
    status: Status | undefined,
    cause: unknown,
    signal?: AbortSignal,
  ): unknown {
    if (broken) return broken
    if (signal?.aborted) return signal.reason
    if (!status) return cause
    const error = toStoreError(status, `${endpoint}: ${what}`, fields)
    if (isConnectionLost(status)) breakNow(error)
    else heardMs = clock.now()
    return error
  }

  async function stream<Request, Response>(
    plan: StreamPlan<Request, Response>,
  ): Promise<ClientStream<Request>> {
    const token = await authentication.token()
    if (broken) throw broken
    const call = createCall({ token, requireLeader: true })
    const duplex = await plan.open(client, call.options)
    streams.set(plan.isIdle, finish)
    duplex.on('data', (response) => {
      heardMs = clock.now()
      plan.onData(response)
    })
    duplex.on('error', lost)
    duplex.on('end', lost)
    if (broken) finish(broken)
    else if (call.status) lost() // It failed before we listened.
    return { token, write: (request) => duplex.write(request), end }

    function lost(): void {
      if (!streams.has(plan.isIdle)) return
      const status = call.status?.code ? call.status : { code: 14, details: 'etcd ended the stream' }
      const error = toStoreError(status, `${endpoint}: ${plan.what}`)
      finish(error)
      if (isConnectionLost(status)) breakNow(error)
    }

    function finish(error: HoldfastError): void {
      end()
      plan.onBroken(error)
    }

    function end(): void {
      if (streams.delete(plan.isIdle)) duplex.cancel()
    }
  }

  function breakNow(reason: HoldfastError): void {
    if (broken) return
    broken = reason
    for (const call of [...calls]) call.cancel()
    for (const finish of [...streams.values()]) finish(reason)
    client.close()
    for (const listener of listeners) listener(reason)
  }

  function settled(): void {
    if (retired && calls.size === 0 && [...streams.keys()].every((isIdle) => isIdle())) breakNow(retired)
  }
}
