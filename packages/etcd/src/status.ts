import { type CoordinationErrorCode, coordinationError } from '@holdfast/coordination'
import { type HoldfastError, isHoldfastError } from '@holdfast/core'

/** How a gRPC call ended: https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
export interface Status {
  readonly code: number
  readonly details: string
}

interface Rule {
  readonly code: CoordinationErrorCode
  readonly details?: RegExp
  readonly codes?: readonly number[]
  /** Where it differs from what the code says by default. */
  readonly retryable?: boolean
}

/** The texts are those of etcd's api/v3rpc/rpctypes/error.go. The first rule that matches counts. */
const rules: readonly Rule[] = [
  { code: 'LEASE_NOT_FOUND', details: /requested lease not found/ },
  { code: 'WATCH_COMPACTED', details: /required revision has been compacted/ },
  // An operator makes room and disarms the alarm; the same call succeeds then.
  { code: 'STORE_REFUSED', details: /database space exceeded/, retryable: true },
  { code: 'STORE_UNAVAILABLE', details: /too many requests/ },
  {
    code: 'STORE_DENIED',
    details: /permission denied|authentication failed|auth token|user name is empty|auth store is old/,
  },
  {
    code: 'STORE_DENIED',
    details:
      /alert (bad|unknown|certificate|unsupported|handshake)|tlsv1[13]? alert|verify|self.signed|certificate has expired|altnames/i,
    codes: [14],
  },
  { code: 'STORE_DENIED', codes: [7, 16] },
  // Invalid argument, not found, exists, exhausted (a request too large), precondition, out of range, unimplemented.
  { code: 'STORE_REFUSED', codes: [3, 5, 6, 8, 9, 11, 12] },
]

/** The port's error for a failed call. `where` is the endpoint and the call, for the message. */
export function toStoreError(
  status: Status,
  where: string,
  fields: Readonly<Record<string, unknown>> = {},
): HoldfastError {
  // grpc-js always says it, and seldom what it is.
  const details = status.details.replace(/\s*Resolution note:\s*$/, '')
  const rule = rules.find((candidate) => matches(candidate, status))
  const cause = Object.assign(new Error(`${status.code} ${status.details}`), status)
  return coordinationError(rule?.code ?? 'STORE_UNAVAILABLE', `${where}: ${details}`, {
    cause,
    fields,
    ...(rule?.retryable === undefined ? {} : { retryable: rule.retryable }),
  })
}

/** Whether a fresh token may help: it expired, users or roles changed, or authentication was switched on. Nothing was applied. */
export function isStaleToken(error: unknown): boolean {
  return /invalid auth token|auth store is old|user name is empty/.test(detailsOf(error))
}

export function isAuthenticationOff(error: unknown): boolean {
  return /authentication is not enabled/.test(detailsOf(error))
}

/** etcd knows who asks, and the role has no right to the key. */
export function isPermissionDenied(error: unknown): boolean {
  return /permission denied/.test(detailsOf(error))
}

function detailsOf(error: unknown): string {
  return isHoldfastError(error) && error.cause instanceof Error ? error.cause.message : ''
}

/** Whether the connection, and all that rides on it, is to be given up. A change of leader passes by itself. */
export function isConnectionLost(status: Status): boolean {
  if (/leader changed/.test(status.details)) return false
  return status.code === 13 || status.code === 14
}

function matches({ codes, details }: Rule, status: Status): boolean {
  return (codes?.includes(status.code) ?? true) && (details?.test(status.details) ?? true)
}
