import { Etcd3, type IOptions } from 'etcd3'
import type { Credentials } from './credentials.ts'
import type { CheckedOptions, Endpoint } from './options.ts'

type FaultHandling = NonNullable<IOptions['faultHandling']>
type Policy = NonNullable<FaultHandling['global']>

let generations = 0

/**
 * etcd3's client to one endpoint, with its retries and circuit breakers off.
 *
 * Each has TCP connections of its own: grpc-js shares one between all channels of the process
 * that have the same options, so a client made because the last connection fell silent would
 * get that very one as long as another store holds it.
 */
export function createClient(
  { address }: Endpoint,
  { secure, tls, keepAlive }: Pick<CheckedOptions, 'secure' | 'tls' | 'keepAlive'>,
  credentials: Credentials,
): Etcd3 {
  generations += 1
  return new Etcd3({
    hosts: `${secure ? 'https' : 'http'}://${address}`,
    ...(credentials.pem && { credentials: credentials.pem }),
    faultHandling: { host: () => noPolicy, global: noPolicy },
    grpcOptions: {
      'grpc.keepalive_time_ms': keepAlive.timeMs,
      'grpc.keepalive_timeout_ms': keepAlive.timeoutMs,
      // etcd limits what it takes (1.5 MiB by default) and not what it gives; nor do etcdctl and we.
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      ...(tls.serverName === undefined ? {} : { 'grpc.ssl_target_name_override': tls.serverName }),
      'holdfast.generation': generations,
    },
  })
}

const noEvent: Policy['onSuccess'] = () => ({ dispose: () => {} })

const noPolicy = {
  execute: async (run: (context: { signal: AbortSignal }) => unknown) => run({ signal: never }),
  onSuccess: noEvent,
  onFailure: noEvent,
} as Policy

const never = new AbortController().signal
