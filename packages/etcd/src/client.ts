import { isIP } from 'node:net'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
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
  const serverName = tls.serverName ?? (secure && isAddress(address) ? noServerName : undefined)
  const client = new Etcd3({
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
      ...(serverName === undefined ? {} : { 'grpc.ssl_target_name_override': serverName }),
      'holdfast.generation': generations,
    },
  })
  if (serverName === noServerName) checkByAddress(client, hostOf(address))
  return client
}

/**
 * grpc-js says the endpoint's host as the name of the server it wants to talk to, which an IP address is
 * none of: RFC 6066, section 3. Node 26 refuses that. A name must be said all the same, so it is one that
 * is nobody's (RFC 2606), and the certificate is checked for the address, as everyone does who dials one.
 * Should the private parts of etcd3 and grpc-js not be where they are looked for, the certificate is
 * checked for the nameless name, and refused.
 */
function checkByAddress(client: Etcd3, address: string): void {
  const { pool } = client as unknown as { pool?: { hosts?: { channelCredentials?: Verifying }[] } }
  const verify = pool?.hosts?.[0]?.channelCredentials?.verifyOptions
  if (verify) verify.checkServerIdentity = (_, certificate) => checkServerIdentity(address, certificate)
}

interface Verifying {
  verifyOptions?: { checkServerIdentity?: (host: string, certificate: PeerCertificate) => Error | undefined }
}

const noServerName = 'etcd.invalid'

function isAddress(address: string): boolean {
  return isIP(hostOf(address)) !== 0
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '')
}

const noEvent: Policy['onSuccess'] = () => ({ dispose: () => {} })

const noPolicy = {
  execute: async (run: (context: { signal: AbortSignal }) => unknown) => run({ signal: never }),
  onSuccess: noEvent,
  onFailure: noEvent,
} as Policy

const never = new AbortController().signal
