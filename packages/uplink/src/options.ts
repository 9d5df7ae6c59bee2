import {
  type Backoff,
  type Clock,
  checkBackoff,
  checkFunction,
  checkInteger,
  checkMethods,
  checkNumber,
  checkOneOf,
  checkString,
  type Random,
  systemClock,
} from '@holdfast/core'
import type { CircuitLimits } from './gate/circuit.ts'
import type { BatchSize } from './ship/batch.ts'
import { ndjson, type WireFormat } from './ship/format.ts'
import { refusesMessage } from './ship/verdict.ts'
import type { Headers, Rate, TlsFiles, UplinkOptions, UplinkQueue } from './types.ts'

/** An uplink's options, checked, with defaults filled in. */
export interface Settings<T> {
  readonly queue: UplinkQueue<T>
  readonly url: URL
  readonly headers: () => Promise<Headers>
  readonly format: WireFormat<T>
  readonly batch: BatchSize & { readonly maxAgeMs: number }
  readonly concurrency: number
  readonly compression: 'gzip' | 'none'
  readonly requestTimeoutMs: number
  readonly backoff: Backoff
  readonly attempts: number
  readonly maxRetryAfterMs: number
  readonly circuit: CircuitLimits
  readonly rate: Rate | undefined
  readonly refuses: (status: number) => boolean
  readonly tls: TlsFiles
  readonly leaseMs: number
  readonly clock: Clock
  readonly random: Random
}

const unbounded = { max: Number.POSITIVE_INFINITY }

export function checkUplinkOptions<T>(options: UplinkOptions<T>): Settings<T> {
  const { queue, format = ndjson as WireFormat<T>, batch = {}, backoff } = options
  const rate = checkRate(options.rate)
  checkMethods('queue', queue, ['take'])
  checkMethods('format', format, ['encode', 'frame'])
  return {
    queue,
    url: checkUrl('url', options.url),
    headers: headersOf(options.headers),
    format,
    batch: {
      maxMessages: Math.min(
        checkInteger('batch.maxMessages', batch.maxMessages ?? 256, { min: 1 }),
        Math.max(1, Math.floor(rate?.max ?? Number.POSITIVE_INFINITY)),
      ),
      maxBytes: checkInteger('batch.maxBytes', batch.maxBytes ?? 2 ** 20, { min: 1, ...unbounded }),
      maxAgeMs: checkNumber('batch.maxAgeMs', batch.maxAgeMs ?? 100, { min: 0 }),
    },
    concurrency: checkInteger('concurrency', options.concurrency ?? 1, { min: 1 }),
    compression: checkOneOf('compression', options.compression ?? 'gzip', ['gzip', 'none']),
    requestTimeoutMs: positive('requestTimeoutMs', options.requestTimeoutMs ?? 30_000),
    backoff: checkBackoff('backoff', {
      minMs: Math.min(500, backoff?.maxMs ?? 500),
      maxMs: 60_000,
      ...backoff,
    }),
    attempts: checkInteger('attempts', options.attempts ?? Number.POSITIVE_INFINITY, {
      min: 1,
      ...unbounded,
    }),
    maxRetryAfterMs: checkNumber('maxRetryAfterMs', options.maxRetryAfterMs ?? 300_000, { min: 0 }),
    circuit: checkCircuit(options.circuit),
    rate,
    refuses: checkFunction('refuses', options.refuses ?? refusesMessage),
    tls: checkTls(options.tls ?? {}),
    leaseMs: positive('queue.visibilityTimeoutMs', queue.visibilityTimeoutMs ?? 30_000),
    clock: checkMethods('clock', options.clock ?? systemClock, ['now', 'wall', 'sleep']),
    random: checkFunction('random', options.random ?? Math.random),
  }
}

export function checkUrl(option: string, given: string | URL): URL {
  const text = checkString(option, String(given))
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new TypeError(`${option} must be an http: or https: URL, got ${JSON.stringify(text)}`)
}

export function headersOf(given: UplinkOptions['headers'] = {}): () => Promise<Headers> {
  return typeof given === 'function' ? async () => given() : async () => given
}

export function checkTls(tls: TlsFiles): TlsFiles {
  for (const name of ['caFile', 'certFile', 'keyFile', 'servername'] as const)
    if (tls[name] !== undefined) checkString(`tls.${name}`, tls[name])
  if ((tls.certFile === undefined) !== (tls.keyFile === undefined))
    throw new TypeError('tls.certFile and tls.keyFile must be given together')
  checkNumber('tls.checkMs', tls.checkMs ?? 0, { min: 0 })
  return tls
}

export function checkRate(rate: Rate | undefined): Rate | undefined {
  if (rate) positive('rate.max', rate.max)
  if (rate) positive('rate.perMs', rate.perMs)
  return rate
}

function checkCircuit(circuit: UplinkOptions['circuit'] = {}): CircuitLimits {
  const openMs = positive('circuit.openMs', circuit.openMs ?? Math.min(5_000, circuit.maxOpenMs ?? 5_000))
  return {
    failures: checkInteger('circuit.failures', circuit.failures ?? 5, { min: 1, ...unbounded }),
    openMs,
    maxOpenMs: checkNumber('circuit.maxOpenMs', circuit.maxOpenMs ?? Math.max(60_000, openMs), {
      min: openMs,
    }),
  }
}

function positive(option: string, value: number): number {
  return checkNumber(option, value, { min: Number.MIN_VALUE })
}
