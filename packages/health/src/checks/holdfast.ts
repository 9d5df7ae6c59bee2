import { checkFunction, checkMethods, checkNumber, checkString, type Stats } from '@holdfast/core'
import type { Check, CheckOptions, Observation } from '../check.ts'
import { healthError } from '../errors.ts'

// Checks of what other packages run, by structure: nothing of theirs is imported.

/** What `storeCheck` needs of a coordination store. */
export interface ReadableStore {
  range(
    selection: { readonly key: string },
    options: { readonly limit: number; readonly signal: AbortSignal },
  ): Promise<{ readonly revision: number }>
}

export interface StoreCheckOptions extends CheckOptions {
  readonly name: string
  readonly store: ReadableStore
  /** The key to read; it need not exist, but must be readable. @default 'health' */
  readonly key?: string
}

/** Passes when the store answers a linearizable read: with etcd, when a quorum stands behind it. */
export function storeCheck({ store, key = 'health', ...check }: StoreCheckOptions): Check {
  checkMethods('store', store, ['range'])
  checkString('key', key)
  return { ...check, run }

  async function run(signal: AbortSignal): Promise<Observation> {
    const { revision } = await store.range({ key }, { limit: 1, signal })
    return { value: revision, unit: 'revision' }
  }
}

export interface QueueCheckOptions extends CheckOptions {
  readonly name: string
  /** A queue, an uplink, or anything else that keeps figures. */
  readonly queue: { stats(): Stats }
  /** Fails while a figure of `stats()` is above this, by the figure's name: `{ queue_bytes: 1e9 }`. @default none */
  readonly max?: Readonly<Record<string, number>>
  /** Warns while a figure is above this. @default none */
  readonly warnAbove?: Readonly<Record<string, number>>
}

/** Passes while figures stay below their limits. Fails too for a figure that is not there: a limit that is never compared protects nobody. */
export function queueCheck({ queue, max = {}, warnAbove = {}, ...check }: QueueCheckOptions): Check {
  checkMethods('queue', queue, ['stats'])
  for (const [name, limit] of Object.entries(max)) checkNumber(`max.${name}`, limit)
  for (const [name, limit] of Object.entries(warnAbove)) checkNumber(`warnAbove.${name}`, limit)
  return { ...check, scope: 'process', run }

  async function run(): Promise<Observation> {
    const stats = queue.stats()
    const over = exceeded(stats, max)
    if (over.length > 0) throw healthError('CHECK_FAILED', over.join(', '), { fields: { over } })
    const near = exceeded(stats, warnAbove)
    return near.length > 0 ? { warn: true, output: near.join(', ') } : {}
  }
}

function exceeded(stats: Stats, limits: Readonly<Record<string, number>>): string[] {
  return Object.entries(limits).flatMap(([name, limit]) => {
    const value = stats[name]?.value
    if (value === undefined) return [`there is no figure ${name}`]
    return value > limit ? [`${name} is ${value}, above ${limit}`] : []
  })
}

export interface LeaseCheckOptions extends CheckOptions {
  readonly name: string
  /** A session, a registration, or anything else that knows whether it is held right now. */
  readonly lease: { isHeld(): boolean }
}

/** Passes while a lease is held: others can find this process. */
export function leaseCheck({ lease, ...check }: LeaseCheckOptions): Check {
  const isHeld = checkFunction('lease.isHeld', lease.isHeld).bind(lease)
  return { ...check, run }

  async function run(): Promise<void> {
    if (!isHeld())
      throw healthError('CHECK_FAILED', 'The lease is not held; it is granted again once the store answers')
  }
}

/** What `configCheck` needs of a running config. */
export interface ConfigStatus {
  readonly running: { readonly origin: string; readonly onProbation: boolean }
  readonly attempt: { readonly state: string }
}

export interface ConfigCheckOptions extends CheckOptions {
  readonly name: string
  readonly config: { status(): ConfigStatus }
}

/**
 * Passes while a live config runs; warns while it is the last-known-good one, on
 * probation, or when the latest attempt at another came to anything but `applied`.
 */
export function configCheck({ config, ...check }: ConfigCheckOptions): Check {
  checkMethods('config', config, ['status'])
  return { ...check, scope: 'process', run }

  async function run(): Promise<Observation> {
    const { running, attempt } = config.status()
    if (running.origin !== 'live')
      return { warn: true, output: `runs on ${running.origin}, not on its sources` }
    if (attempt.state !== 'applied') return { warn: true, output: `the latest config is ${attempt.state}` }
    return running.onProbation ? { warn: true, output: 'on probation' } : {}
  }
}
