import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { isHoldfastError, withTimeout } from '@holdfast/core'
import { uplinkError } from '../errors.ts'
import type { Connections } from '../http/connections.ts'
import { exchange } from '../http/exchange.ts'
import type { Settings } from '../options.ts'
import { batchKey, type Parcel } from './batch.ts'
import type { Answer } from './verdict.ts'

const gzipped = promisify(gzip)

/** Bodies below this many bytes go as they are. */
const compressFromBytes = 1_024
/** A compressed body must save a tenth. */
const paysBelow = 0.9

export interface Posted {
  readonly answer: Answer
  /** Of the body, as sent. */
  readonly bytes: number
}

/** Sends one batch and reads the answer, within the time for a request. Rejects with a retryable error where there is none. */
export async function postBatch<T>(
  parcels: readonly Parcel<T>[],
  settings: Settings<T>,
  connections: Connections,
  signal: AbortSignal,
): Promise<Posted> {
  const { url, format, requestTimeoutMs: timeoutMs, clock } = settings
  const plain = format.frame(parcels.map(({ bytes }) => bytes))
  const { body, headers } = await compress(plain, settings.compression)
  const onTimeout = (): Error =>
    uplinkError(
      'UPLINK_TIMED_OUT',
      `${url.host} gave no whole answer within ${timeoutMs} ms; it is tried again`,
      {
        fields: { host: url.host, timeoutMs },
      },
    )
  try {
    const answer = await withTimeout(
      (scope) =>
        connections.use(async (agent) =>
          exchange({
            method: 'POST',
            url,
            headers: {
              ...(await settings.headers()),
              'content-type': format.contentType,
              'idempotency-key': `"${batchKey(parcels)}"`,
              ...headers,
            },
            body,
            keptBytes: answerBytes(parcels.length),
            agent,
            signal: scope,
          }),
        ),
      { timeoutMs, signal, clock, onTimeout },
    )
    return { answer, bytes: body.length }
  } catch (cause) {
    if (signal.aborted || isHoldfastError(cause)) throw cause
    throw uplinkError('UPLINK_REQUEST_FAILED', `Sending to ${url.host} failed; it is tried again`, {
      cause,
      fields: { host: url.host },
    })
  }
}

/** Room for a partial answer with a long reason for every message. */
function answerBytes(messages: number): number {
  return 64 * 1024 + messages * 4 * 1024
}

async function compress(
  plain: Uint8Array,
  compression: 'gzip' | 'none',
): Promise<{ body: Uint8Array; headers: Record<string, string> }> {
  if (compression === 'none' || plain.length < compressFromBytes) return { body: plain, headers: {} }
  const smaller = await gzipped(plain, { level: 1 })
  return smaller.length <= plain.length * paysBelow
    ? { body: smaller, headers: { 'content-encoding': 'gzip' } }
    : { body: plain, headers: {} }
}
