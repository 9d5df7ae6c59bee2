import {
  type Backoff,
  type Clock,
  checkBackoff,
  checkInteger,
  checkMethods,
  checkNumber,
  checkOneOf,
  checkString,
  type Random,
  systemClock,
} from '@holdfast/core'
import { type Codec, jsonCodec } from './codec.ts'
import { priorities } from './format/keys.ts'
import type { Durability, EnqueueOptions, Overflow, QueueOptions, TakeOptions } from './types.ts'

/** Options with the defaults filled in, all of them checked. */
export interface Settings<T> {
  name: string
  codec: Codec<T>
  durability: Durability
  limits: { messages: number; bytes: number; onFull: Overflow }
  maxMessageBytes: number
  visibilityTimeoutMs: number
  maxAttempts: number
  maxInFlight: number
  backoff: Backoff
  dedupeWindowMs: number
  clock: Clock
  random: Random
}

const infinity = Number.POSITIVE_INFINITY
const maxTextChars = 1_024
/** A hundred years: what is later is never, and fits 48 bits when added to the time of day. */
const centuryMs = 3_155_760_000_000

export function checkOptions<T>(options: QueueOptions<T>): Settings<T> {
  const { limits = {}, codec = jsonCodec as Codec<T> } = options
  const name = checkString('name', options.name ?? 'default')
  if (Buffer.byteLength(name) > 255)
    throw new RangeError(`name must be at most 255 bytes, got ${name.length}`)
  return {
    name,
    codec: checkMethods('codec', codec, ['encode', 'decode']),
    durability: checkOneOf('durability', options.durability ?? 'fsync', ['fsync', 'os']),
    limits: {
      messages: checkInteger('limits.messages', limits.messages ?? infinity, { min: 1, max: infinity }),
      bytes: checkInteger('limits.bytes', limits.bytes ?? infinity, { min: 1, max: infinity }),
      onFull: checkOneOf('limits.onFull', limits.onFull ?? 'block', ['block', 'reject', 'drop-oldest']),
    },
    maxMessageBytes: checkInteger('maxMessageBytes', options.maxMessageBytes ?? 16 * 2 ** 20, {
      min: 1,
      max: 512 * 2 ** 20,
    }),
    visibilityTimeoutMs: checkVisibility(options.visibilityTimeoutMs ?? 30_000),
    maxAttempts: checkInteger('maxAttempts', options.maxAttempts ?? 8, { min: 1, max: 65_535 }),
    maxInFlight: checkInteger('maxInFlight', options.maxInFlight ?? 10_000, { min: 1 }),
    backoff: checkBackoff('backoff', { minMs: 1_000, maxMs: 300_000, ...options.backoff }),
    dedupeWindowMs: checkInteger('dedupeWindowMs', options.dedupeWindowMs ?? 300_000, {
      min: 1,
      max: centuryMs,
    }),
    clock: checkMethods('clock', options.clock ?? systemClock, ['now', 'wall', 'sleep']),
    random: options.random ?? Math.random,
  }
}

/** An enqueue's options, with `Infinity` for no TTL. */
export interface Placement {
  key: string | undefined
  delayMs: number
  priority: number
  group: string | undefined
  ttlMs: number
}

const nowhereSpecial: Placement = {
  key: undefined,
  delayMs: 0,
  priority: 0,
  group: undefined,
  ttlMs: infinity,
}

export function checkEnqueue(options: EnqueueOptions | undefined): Placement {
  if (options === undefined) return nowhereSpecial
  const { key, group, delayMs = 0, priority = 0, ttlMs = infinity } = options
  if (group !== undefined && delayMs > 0)
    throw new TypeError('delayMs must not be given with group: a delayed message would hold up its group')
  return {
    key: key === undefined ? undefined : checkText('key', key),
    group: group === undefined ? undefined : checkText('group', group),
    delayMs: Math.ceil(checkNumber('delayMs', delayMs, { min: 0, max: centuryMs })),
    priority: checkInteger('priority', priority, { min: 0, max: priorities - 1 }),
    ttlMs: checkPositive('ttlMs', ttlMs),
  }
}

export function checkEnqueueMany(options: EnqueueOptions | undefined): Placement {
  if (options?.key === undefined) return checkEnqueue(options)
  throw new TypeError('key must not be given for many messages: it is that of one')
}

export interface TakeSettings {
  max: number
  waitMs: number
  visibilityTimeoutMs: number | undefined
}

export function checkTake({ max = 1, waitMs = 0, visibilityTimeoutMs }: TakeOptions): TakeSettings {
  return {
    max: checkInteger('max', max, { min: 1 }),
    waitMs: checkNumber('waitMs', waitMs, { min: 0, max: infinity }),
    visibilityTimeoutMs: visibilityTimeoutMs === undefined ? undefined : checkVisibility(visibilityTimeoutMs),
  }
}

export function checkDelay(delayMs: number): number {
  return Math.ceil(checkNumber('delayMs', delayMs, { min: 0, max: centuryMs }))
}

export function checkPositive(option: string, value: unknown): number {
  const number = checkNumber(option, value, { min: 0, max: infinity })
  if (number === 0) throw new RangeError(`${option} must be above 0, got 0`)
  return Math.ceil(number)
}

function checkVisibility(value: unknown): number {
  return checkPositive('visibilityTimeoutMs', value)
}

function checkText(option: string, value: unknown): string {
  const text = checkString(option, value)
  if (text.length <= maxTextChars) return text
  throw new RangeError(`${option} must be at most ${maxTextChars} characters, got ${text.length}`)
}
