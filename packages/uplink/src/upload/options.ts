import {
  type Backoff,
  type Clock,
  checkBackoff,
  checkFunction,
  checkInteger,
  checkMethods,
  checkNumber,
  checkString,
  type Random,
  systemClock,
} from '@holdfast/core'
import { checkRate, checkTls, checkUrl, headersOf } from '../options.ts'
import type { Headers, Rate, TlsFiles } from '../types.ts'
import { fittingCheckpoint } from './answer.ts'
import type { UploadBody, UploadCheckpoint, UploadOptions } from './types.ts'

/** An upload's options, checked, with defaults filled in. */
export interface UploadSettings {
  readonly url: URL
  readonly body: UploadBody
  readonly checkpoint: UploadCheckpoint | undefined
  readonly saveCheckpoint: (checkpoint: UploadCheckpoint) => Promise<unknown>
  readonly metadata: Readonly<Record<string, string>>
  readonly headers: () => Promise<Headers>
  readonly chunkBytes: number
  readonly attempts: number
  readonly rate: Rate | undefined
  readonly stallMs: number
  readonly backoff: Backoff
  readonly tls: TlsFiles
  readonly clock: Clock
  readonly random: Random
}

export function checkUploadOptions(options: UploadOptions): UploadSettings {
  const { body, backoff } = options
  const url = checkUrl('url', options.url)
  checkMethods('body', body, ['read'])
  checkInteger('body.size', body.size, { min: 0 })
  checkString('body.version', body.version)
  for (const key of Object.keys(options.metadata ?? {}))
    if (!/^[^\s,]+$/.test(key))
      throw new TypeError(`metadata's keys must have no spaces or commas, got ${JSON.stringify(key)}`)
  return {
    url,
    body,
    checkpoint: fittingCheckpoint(options.checkpoint, body, url),
    saveCheckpoint: checkFunction('saveCheckpoint', options.saveCheckpoint ?? (async () => {})),
    metadata: options.metadata ?? {},
    headers: headersOf(options.headers),
    chunkBytes: checkInteger('chunkBytes', options.chunkBytes ?? 8 * 2 ** 20, { min: 1 }),
    attempts: checkInteger('attempts', options.attempts ?? Number.POSITIVE_INFINITY, {
      min: 1,
      max: Number.POSITIVE_INFINITY,
    }),
    rate: checkRate(options.rate),
    stallMs: checkNumber('stallTimeoutMs', options.stallTimeoutMs ?? 30_000, { min: Number.MIN_VALUE }),
    backoff: checkBackoff('backoff', {
      minMs: Math.min(500, backoff?.maxMs ?? 500),
      maxMs: 60_000,
      ...backoff,
    }),
    tls: checkTls(options.tls ?? {}),
    clock: checkMethods('clock', options.clock ?? systemClock, ['now', 'wall', 'sleep']),
    random: checkFunction('random', options.random ?? Math.random),
  }
}
