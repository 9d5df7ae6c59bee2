import { type CoordinationStore, coordinationError, type LeaseGrant } from '@holdfast/coordination'
import {
  checkInteger,
  checkNumber,
  createEvents,
  type HoldfastError,
  type On,
  type Stats,
  type WaitOptions,
  withTimeout,
} from '@holdfast/core'
import type { Etcd3 } from 'etcd3'
import type { Purpose } from './connection.ts'
import { createConnections } from './connections.ts'
import { type Credentials, readCredentials } from './credentials.ts'
import { dial, type EtcdConnection } from './dial.ts'
import type { CallOptions } from './grpc.ts'
import { createIdentity } from './identity.ts'
import { toNumber } from './int64.ts'
import { createNamespace } from './keys.ts'
import { checkLeaseId, fromRange, fromTransaction, toRange, toTransaction } from './messages.ts'
import { type CheckedOptions, checkOptions, type EtcdStoreOptions } from './options.ts'
import { reloadCredentials } from './reload.ts'

export interface EtcdStore extends CoordinationStore {
  readonly on: On<EtcdStoreEvents>
  stats(): Stats
}

export interface EtcdStoreEvents {
  /** A connection stands. `clusterId` is undefined where the user may not read the namespace's own key. */
  connected(endpoint: string, clusterId: string | undefined): void
  /** It broke, and with it every watch on it. The next call connects again, to the next endpoint first. */
  disconnected(endpoint: string, error: HoldfastError): void
  /** Another history answers than before: etcd was wiped or restored, or the endpoints are not of one cluster. */
  clusterChanged(before: string, now: string): void
  /** Changed TLS files are in use for new connections. */
  credentialsReloaded(): void
  /** Changed TLS files cannot be used; the ones before stay in use, and the files are looked at again. */
  credentialsFailed(error: unknown): void
}

/** etcd grants no longer one. */
const maxTtlMs = 9_000_000_000_000

/**
 * Opens a coordination store on etcd (3.4 or later), connected when the promise resolves, unless `connect: 'later'` is given.
 *
 * All calls and watches ride on one connection to one member. Where it breaks, or a call stays
 * unanswered and nothing else was heard meanwhile, every watch on it rejects and the next call
 * connects again, to the next endpoint first. No call is repeated but one that etcd refused for
 * an expired token.
 *
 * Rejects with STORE_UNAVAILABLE where no endpoint serves within `requestTimeoutMs`, with
 * STORE_DENIED where etcd refuses our credentials or we its certificate, and with the file
 * system's or OpenSSL's error where the TLS files cannot be used.
 */
export async function openEtcdStore(options: EtcdStoreOptions): Promise<EtcdStore> {
  const checked = checkOptions(options)
  const { store, connect } = createStore(checked, await readCredentials(checked.tls))
  try {
    if (checked.connect === 'now') await connect()
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

function createStore(
  options: CheckedOptions,
  first: Credentials,
): { store: EtcdStore; connect(): Promise<unknown> } {
  const { clock, requestTimeoutMs, tls } = options
  const namespace = createNamespace(options.namespace)
  const events = createEvents<EtcdStoreEvents>()
  const closing = new AbortController()
  const counts = { calls: 0, failed: 0, renewals: 0, connections: 0 }
  const byUrl = new Map(options.endpoints.map((endpoint) => [endpoint.url, endpoint]))
  let credentials = first
  const identity = createIdentity((before, now) => events.emit('clusterChanged', before, now))
  const connections = createConnections<EtcdConnection>({
    endpoints: [...byUrl.keys()],
    dial: (url, signal) =>
      dial({ endpoint: byUrl.get(url)!, namespace, identity, options, credentials, signal }),
    onConnected: connected,
    timeoutMs: requestTimeoutMs,
    clock,
    random: options.random,
  })
  const reloading = tls.caFile || tls.certFile ? reload() : undefined

  const store: EtcdStore = {
    async range(selection, wait = {}) {
      const request = toRange(namespace, selection, wait)
      return fromRange(
        namespace,
        identity,
        await unary({ what: 'range' }, wait, ({ kv }, call) => kv.range(request, call)),
      )
    },
    async transact(transaction, wait) {
      const request = toTransaction(namespace, transaction)
      return fromTransaction(
        namespace,
        identity,
        await unary({ what: 'transact' }, wait, ({ kv }, call) => kv.txn(request, call)),
      )
    },
    async watch(selection, wait = {}) {
      const { fromRevision } = wait
      if (fromRevision !== undefined) checkInteger('fromRevision', fromRevision, { min: 1 })
      return await call('watch', wait, ({ watches }, signal) => watches.open(selection, fromRevision, signal))
    },
    grantLease,
    keepAlive,
    async revokeLease(leaseId, wait) {
      const request = { ID: checkLeaseId(leaseId) }
      const purpose = { what: 'revokeLease', fields: { leaseId } }
      await unary(purpose, wait, ({ leaseClient }, call) => leaseClient.leaseRevoke(request, call))
    },
    on: events.on,
    stats,
    close,
    [Symbol.asyncDispose]: close,
  }
  return { store, connect: connections.current }

  async function grantLease(ttlMs: number, wait?: WaitOptions): Promise<LeaseGrant> {
    checkNumber('ttlMs', ttlMs, { min: Number.MIN_VALUE, max: maxTtlMs })
    const request = { TTL: Math.ceil(ttlMs / 1_000) }
    const granted = await unary({ what: 'grantLease' }, wait, ({ leaseClient }, call) =>
      leaseClient.leaseGrant(request, call),
    )
    return { leaseId: granted.ID, ttlMs: toNumber(granted.TTL) * 1_000 }
  }

  /** On a live connection the renewal brings its own deadline: a process may keep thousands of leases. */
  async function keepAlive(leaseId: string, wait: WaitOptions = {}): Promise<LeaseGrant> {
    checkLeaseId(leaseId)
    counts.renewals += 1
    if (connections.live) return await connections.live.keepAlives.renew(leaseId, wait.signal)
    return await call('keepAlive', wait, ({ keepAlives }, signal) => keepAlives.renew(leaseId, signal))
  }

  function unary<T>(
    purpose: Purpose,
    wait: WaitOptions | undefined,
    run: (client: Etcd3, options: CallOptions) => Promise<T>,
  ): Promise<T> {
    return call(purpose.what, wait, (connection, signal) => connection.unary(purpose, run, signal))
  }

  /** Every call of the port: on the live connection, under a deadline, within the store's life. */
  async function call<T>(
    what: string,
    wait: WaitOptions = {},
    run: (connection: EtcdConnection, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    closing.signal.throwIfAborted()
    const sinceMs = clock.now()
    counts.calls += 1
    try {
      return await withTimeout(async (signal) => run(await connections.current(), signal), {
        timeoutMs: requestTimeoutMs,
        onTimeout: () => unanswered(what, sinceMs),
        signal: wait.signal,
        clock,
      })
    } catch (error) {
      counts.failed += 1
      throw error
    }
  }

  function unanswered(what: string, sinceMs: number): HoldfastError {
    const where = connections.live?.endpoint ?? [...byUrl.keys()].join(', ')
    connections.suspect(sinceMs)
    const problem = `${where}: ${what}: no answer within ${requestTimeoutMs} ms; a write may have been applied`
    return coordinationError('STORE_UNAVAILABLE', problem, { fields: { endpoints: [...byUrl.keys()] } })
  }

  function connected({ endpoint, clusterId, onBroken }: EtcdConnection): void {
    counts.connections += 1
    onBroken((error) => events.emit('disconnected', endpoint, error))
    events.emit('connected', endpoint, clusterId)
  }

  async function reload(): Promise<void> {
    await reloadCredentials({
      tls,
      first,
      clock,
      signal: closing.signal,
      onFailed: (error) => events.emit('credentialsFailed', error),
      async apply(changed) {
        const before = credentials
        credentials = changed
        try {
          await connections.replace()
          events.emit('credentialsReloaded')
        } catch (error) {
          credentials = before
          throw error
        }
      },
    })
  }

  async function close(): Promise<void> {
    if (!closing.signal.aborted) {
      const reason = coordinationError('STORE_CLOSED', 'the store was closed: open a new one')
      closing.abort(reason)
      connections.close(reason)
    }
    await reloading
  }

  function stats(): Stats {
    const { live } = connections
    return {
      etcd_connected: { kind: 'gauge', help: 'Whether a connection stands', value: live ? 1 : 0 },
      etcd_watches: { kind: 'gauge', help: 'Open watches', value: live?.watches.size ?? 0 },
      etcd_connections_total: counter('Connections made', counts.connections),
      etcd_calls_total: counter('Calls made', counts.calls),
      etcd_calls_failed_total: counter('Calls that failed or were aborted', counts.failed),
      etcd_lease_renewals_total: counter('Leases renewed', counts.renewals),
    }
  }
}

function counter(help: string, value: number): Stats[string] {
  return { kind: 'counter', help, value }
}
