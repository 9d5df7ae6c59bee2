import type { KVClient } from 'etcd3'
import type { Status } from './status.ts'

/** grpc-js's types, as far as etcd3 lets them out: it is a dependency of etcd3, not ours. */
export type CallOptions = NonNullable<Parameters<KVClient['range']>[1]>
type Interceptor = NonNullable<CallOptions['interceptors']>[number]
type InterceptingCall = ReturnType<Interceptor>

export interface CallTraits {
  /** Sent as etcd's authentication token. */
  token?: string | undefined
  /** Makes the member that serves a stream end it when it loses its leader. */
  requireLeader?: boolean
}

/** One call: the options that carry it through etcd3, and what we learn and may do meanwhile. */
export interface Call {
  readonly options: CallOptions
  /** How it ended; undefined while it runs. */
  readonly status: Status | undefined
  /** Ends it here and now, whether it was sent or not. */
  cancel(): void
}

/**
 * Prepares a call: adds metadata, notes the true status, and can cancel a unary call,
 * for which etcd3 has no way of its own.
 *
 * etcd3 is told of every failure as FAILED_PRECONDITION, the one that it neither retries
 * nor answers by throwing its channels away: both are ours to decide.
 */
export function createCall({ token, requireLeader }: CallTraits): Call {
  let status: Status | undefined
  let cancelled = false
  let running: InterceptingCall | undefined

  const intercept: Interceptor = (options, nextCall) => {
    // nextCall returns the interface and an interceptor the class; its methods are all that is used.
    const call = nextCall(options) as InterceptingCall
    const start = call.start.bind(call)
    call.start = (metadata, listener = {}) => {
      if (token !== undefined) metadata.set('token', token)
      if (requireLeader) metadata.set('hasleader', 'true')
      start(metadata, {
        onReceiveMetadata: (received) => listener.onReceiveMetadata?.(received),
        onReceiveMessage: (message: unknown) => listener.onReceiveMessage?.(message),
        onReceiveStatus: (received) => {
          status = { code: received.code, details: received.details }
          listener.onReceiveStatus?.(received.code === 0 ? received : { ...received, ...hidden })
        },
      })
      running = call
      if (cancelled) cancel()
    }
    return call
  }
  return {
    options: { interceptors: [intercept] },
    get status() {
      return status
    },
    cancel,
  }

  function cancel(): void {
    cancelled = true
    running?.cancelWithStatus(1, 'cancelled by the caller')
  }
}

const hidden = { code: 9, details: 'the status was kept by @holdfast/etcd' } as const
