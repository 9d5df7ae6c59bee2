import type { HoldfastError } from '@holdfast/core'
import { createClient } from './client.ts'
import { type Connection, createConnection } from './connection.ts'
import type { Credentials } from './credentials.ts'
import type { Identity } from './identity.ts'
import { checkInt64 } from './int64.ts'
import { createKeepAlives, type KeepAlives } from './keep-alives.ts'
import type { Namespace } from './keys.ts'
import type { CheckedOptions, Endpoint } from './options.ts'
import { isPermissionDenied } from './status.ts'
import { createWatches, type Watches } from './watches.ts'

/** A connection that serves, and what is multiplexed on it. */
export interface EtcdConnection extends Connection {
  readonly keepAlives: KeepAlives
  readonly watches: Watches
  /** Undefined where the user may not read the namespace's own key. */
  readonly clusterId: string | undefined
}

export interface DialOptions {
  endpoint: Endpoint
  namespace: Namespace
  identity: Identity
  options: CheckedOptions
  credentials: Credentials
  signal: AbortSignal
}

/**
 * Connects to one endpoint and proves by a linearizable read that it serves: its member has
 * the quorum behind it, and knows every revision that anybody was told of before.
 */
export async function dial({
  endpoint,
  namespace,
  identity,
  options,
  credentials,
  signal,
}: DialOptions): Promise<EtcdConnection> {
  const { clock } = options
  const client = createClient(endpoint, options, credentials)
  const connection = createConnection({
    endpoint: endpoint.url,
    client,
    clock,
    auth: options.auth,
  })
  const abort = (): void => connection.break(signal.reason as HoldfastError)
  signal.addEventListener('abort', abort, { once: true })
  try {
    const clusterId = await probe(connection, namespace, identity, signal)
    const watches = createWatches({ connection, namespace, identity, bufferBytes: options.watchBufferBytes })
    // Without a stream grpc-js would connect anew behind our back, perhaps to another history.
    await watches.start()
    const keepAlives = createKeepAlives({ connection, clock, timeoutMs: options.requestTimeoutMs })
    return Object.assign(connection, { clusterId, watches, keepAlives })
  } catch (error) {
    connection.break(error as HoldfastError)
    throw error
  } finally {
    signal.removeEventListener('abort', abort)
  }
}

/** Reads where nothing need be: the namespace's own key, which whoever may read the namespace may read. */
async function probe(
  connection: Connection,
  namespace: Namespace,
  identity: Identity,
  signal: AbortSignal,
): Promise<string | undefined> {
  const request = { key: namespace.range({ prefix: '' }).key, limit: 1, keys_only: true }
  const connected = identity.connecting()
  try {
    const { header } = await connection.unary(
      { what: 'connect' },
      ({ kv }, call) => kv.range(request, call),
      signal,
    )
    checkInt64(header)
    return connected(header).clusterId
  } catch (error) {
    if (isPermissionDenied(error)) return undefined
    throw error
  }
}
