import { backoffMs } from '@holdfast/core'
import type { Band, Bands } from './bands.ts'
import type { Context } from './context.ts'
import { queueError } from './errors.ts'
import { checkpointKey } from './format/keys.ts'
import { Lease, type LeaseHub } from './lease.ts'
import { checkDelay, checkPositive } from './options.ts'
import { noteError, type Settlement, type Settlements } from './settlement.ts'
import type { Groups } from './state/groups.ts'
import { TimeHeap } from './state/heap.ts'
import type { Message } from './state/message.ts'
import { readEach } from './store/database.ts'
import type { Job, RetryJobOptions } from './types.ts'

/** Hands messages out, each with a lease on it, and takes them back when that runs out. */
export interface Delivery<T> {
  readonly inFlight: number
  /** Hands out what may go out now and is in memory. */
  deliver(max: number, visibilityTimeoutMs: number): Handout<T>
  /** When the next lease runs out, in monotonic milliseconds; Infinity without one. */
  readonly nextAt: number
  /** Takes back what timed out by now. */
  expire(now: number): void
  /** Makes every job that is out stale, without touching its message. */
  revokeAll(): void
  /** Reads the checkpoints of those that may have one; undefined where none may. */
  readCheckpoints(jobs: readonly Job<T>[]): Promise<void> | undefined
}

export interface Handout<T> {
  jobs: Job<T>[]
  /** More may come once this is read. */
  reading: Promise<void> | undefined
}

export interface DeliveryParts<T> {
  context: Context<T>
  bands: Bands
  groups: Groups
  settlements: Settlements
  /** Stores a checkpoint; resolves when it is on disk. */
  storeCheckpoint(message: Message, data: Buffer): Promise<void>
}

const maxCheckpointBytes = 65_536

export function createDelivery<T>(parts: DeliveryParts<T>): Delivery<T> {
  const { context, bands, groups, settlements, storeCheckpoint } = parts
  const { settings, totals, events, operations } = context
  const { clock, codec, maxAttempts, maxInFlight } = settings
  const leases = new TimeHeap<Lease<T>>()
  const hub: LeaseHub<T> = { ack, retry, release: giveBack, extend, bury: buryJob, setCheckpoint }
  return {
    deliver,
    expire,
    revokeAll,
    readCheckpoints,
    get inFlight() {
      return leases.size
    },
    get nextAt() {
      return leases.first?.at ?? Number.POSITIVE_INFINITY
    },
  }

  function deliver(max: number, visibilityTimeoutMs: number): Handout<T> {
    const jobs: Job<T>[] = []
    const at = clock.now() + visibilityTimeoutMs
    const queueTime = context.queueTime()
    for (const band of bands.all) {
      while (jobs.length < max && leases.size < maxInFlight) {
        const message = nextOf(band, queueTime)
        if (!message) break
        const job = isDeliverable(message, queueTime) && lease(band, message, at)
        if (job) jobs.push(job)
      }
      const reading = bands.fill(band)
      // Nothing of a lower priority goes out before what of this one is on disk.
      if (reading && jobs.length < max && leases.size < maxInFlight) return { jobs, reading }
    }
    return { jobs, reading: undefined }
  }

  function nextOf(band: Band, queueTime: number): Message | undefined {
    const again = band.returned.shift() ?? band.ready.shift() ?? band.parked.take(queueTime)
    // What is on disk and due goes ahead of what was enqueued just now, and is in memory.
    return again ?? (band.parked.mustRead() ? undefined : band.pages.take())
  }

  function isDeliverable(message: Message, queueTime: number): boolean {
    if (!groups.admit(message)) return false
    if (message.expiresAt > 0 && message.expiresAt <= queueTime) end(message, 'expire')
    else if (message.attempts >= maxAttempts) {
      message.error ??= 'not settled before its visibility timeout'
      end(message, 'bury')
    } else return true
    return false
  }

  function lease(band: Band, message: Message, at: number): Job<T> | undefined {
    let value: T
    try {
      value = codec.decode(message.payload)
    } catch (error) {
      noteError(message, error)
      end(message, 'bury')
      return undefined
    }
    message.attempts++
    count(band, message)
    const job = new Lease<T>(message, value, at, hub)
    message.holder = job
    leases.add(job)
    totals.delivered++
    return job
  }

  function count(band: Band, message: Message): void {
    const { home } = message
    if (home.kind === 'parked') band.parked.touch(operations, message)
    else {
      home.page.state.attempts[home.index] = message.attempts
      band.pages.touch(home.page)
    }
  }

  function expire(now: number): void {
    for (let job = leases.first; job && job.at <= now; job = leases.first) {
      const { message } = job
      release(job)
      totals.timedOut++
      events.emit('timedOut', { id: job.id, attempt: job.attempt })
      const kind = message.attempts >= maxAttempts ? bury(message) : 'retry'
      settlements.add({ message, kind, delayMs: 0 })
    }
  }

  function bury(message: Message): 'bury' {
    message.error ??= 'not settled before its visibility timeout'
    return 'bury'
  }

  function revokeAll(): void {
    for (let job = leases.first; job; job = leases.first) release(job)
  }

  function end(message: Message, kind: 'bury' | 'expire'): void {
    settlements.add({ message, kind, delayMs: 0 })
  }

  function release(job: Lease<T>): void {
    leases.remove(job)
    job.message.holder = undefined
  }

  function ack(job: Lease<T>): Promise<boolean> {
    return settle(job, 'ack')
  }

  async function retry(job: Lease<T>, options: RetryJobOptions): Promise<boolean> {
    const { message } = job
    const delayMs =
      options.delayMs === undefined
        ? Math.ceil(backoffMs(settings.backoff, message.attempts, settings.random))
        : checkDelay(options.delayMs)
    if (message.holder === job) noteError(message, options.error)
    return await settle(job, message.attempts >= maxAttempts ? 'bury' : 'retry', delayMs)
  }

  function giveBack(job: Lease<T>): Promise<boolean> {
    return settle(job, 'release')
  }

  async function buryJob(job: Lease<T>, error: unknown): Promise<boolean> {
    if (job.message.holder === job) noteError(job.message, error)
    return await settle(job, 'bury')
  }

  function settle(job: Lease<T>, kind: Settlement['kind'], delayMs = 0): Promise<boolean> {
    if (job.message.holder !== job) return Promise.resolve(false)
    release(job)
    return settlements.settle({ message: job.message, kind, delayMs })
  }

  async function extend(job: Lease<T>, ms: number): Promise<boolean> {
    checkPositive('ms', ms)
    if (job.message.holder !== job) return false
    leases.remove(job)
    job.at = clock.now() + ms
    leases.add(job)
    context.wake()
    return true
  }

  async function setCheckpoint(job: Lease<T>, data: unknown): Promise<boolean> {
    const bytes = Buffer.from(JSON.stringify(data) ?? '')
    if (bytes.length === 0) throw new TypeError(`data must have a JSON form, got ${typeof data}`)
    if (bytes.length > maxCheckpointBytes)
      throw queueError(
        'QUEUE_TOO_LARGE',
        `A checkpoint of ${bytes.length} bytes is over the limit of 64 KiB.`,
      )
    if (job.message.holder !== job) return false
    job.message.checkpoint = bytes
    await storeCheckpoint(job.message, bytes)
    return true
  }

  function readCheckpoints(jobs: readonly Job<T>[]): Promise<void> | undefined {
    const leased = jobs as readonly Lease<T>[]
    return leased.some(({ message }) => message.checkpoint !== 'none') ? attachCheckpoints(leased) : undefined
  }

  async function attachCheckpoints(jobs: readonly Lease<T>[]): Promise<void> {
    const asked = jobs.filter(({ message }) => message.checkpoint === undefined)
    if (asked.length > 0) {
      const keys = asked.map(({ message }) => checkpointKey(context.queue, message))
      const values = await context.store.read((database) => readEach(database, keys))
      asked.forEach(({ message }, index) => {
        message.checkpoint ??= values[index] ?? 'none'
      })
    }
    for (const job of jobs) {
      const { checkpoint } = job.message
      if (checkpoint !== 'none' && checkpoint !== undefined)
        job.checkpoint = JSON.parse(checkpoint.toString())
    }
  }
}
