import {
  type Clock,
  checkFunction,
  checkInteger,
  checkMethods,
  createEvents,
  isHoldfastError,
  type On,
  type Running,
  type Stats,
  systemClock,
  type WaitOptions,
} from '@holdfast/core'
import { createRate, type Rate, type RateOptions } from './rate.ts'
import type { Job, TakeOptions } from './types.ts'

/** The part of a queue that a consumer needs. */
export interface ConsumerQueue<T> {
  readonly visibilityTimeoutMs: number
  take(options: TakeOptions): Promise<Job<T>[]>
}

export interface ConsumerOptions {
  /** Handlers at work at once, ≥ 1. @default 1 */
  concurrency?: number
  /** At most so many jobs per take, ≥ 1. @default `concurrency` */
  batch?: number
  /** Starts no more handlers than this. @default no limit */
  rate?: RateOptions
  /** @default systemClock */
  clock?: Clock
}

export interface ConsumerEvents {
  /** A handler threw; its job is retried, or buried after the last attempt. */
  failed(error: unknown, job: { id: string; attempt: number }): void
}

/** A loop that takes jobs and gives them to a handler. */
export interface Consumer extends Running {
  readonly on: On<ConsumerEvents>
  /** Takes no more jobs and waits for the handlers at work. */
  drain(options?: WaitOptions): Promise<void>
  /** Resolves after `close`; rejects when the queue gives no more jobs for another reason. */
  readonly exited: Promise<void>
  stats(): Stats
}

/**
 * Gives each job to `handler`, acknowledges it when that resolves, and retries it when that rejects.
 *
 * A job is extended while its handler works, so it is not delivered twice for
 * slowness alone. A handler may settle its job itself. Closing aborts the
 * handlers' signals and waits for them; jobs that were not started are given back.
 */
export function startConsumer<T>(
  queue: ConsumerQueue<T>,
  handler: (job: Job<T>, signal: AbortSignal) => Promise<void>,
  options: ConsumerOptions = {},
): Consumer {
  checkMethods('queue', queue, ['take'])
  checkFunction('handler', handler)
  const { clock = systemClock } = options
  const concurrency = checkInteger('concurrency', options.concurrency ?? 1, { min: 1 })
  const batch = checkInteger('batch', options.batch ?? concurrency, { min: 1 })
  const rate: Rate = createRate(options.rate, clock)
  const events = createEvents<ConsumerEvents>()
  const noMore = new AbortController()
  const stop = new AbortController()
  const atWork = new Set<Promise<void>>()
  const counts = { handled: 0, failed: 0 }
  const loop = run()
  const exited = loop.then(() => undefined)
  exited.catch(() => undefined)
  return { on: events.on, exited, drain, close, stats, [Symbol.asyncDispose]: close }

  async function run(): Promise<void> {
    while (!noMore.signal.aborted) {
      const free = concurrency - atWork.size
      if (free <= 0) {
        await Promise.race(atWork)
        continue
      }
      const max = Math.min(batch, free, await rate.allowance(noMore.signal))
      if (noMore.signal.aborted) return
      const jobs = await take(max)
      if (noMore.signal.aborted) return await giveBack(jobs)
      rate.use(jobs.length)
      for (const job of jobs) begin(job)
    }
  }

  async function take(max: number): Promise<Job<T>[]> {
    try {
      return await queue.take({ max, waitMs: Number.POSITIVE_INFINITY, signal: noMore.signal })
    } catch (error) {
      noMore.abort()
      if (isHoldfastError(error, 'QUEUE_CLOSED') || stop.signal.aborted) return []
      throw error
    }
  }

  /** Taken while the consumer was being stopped: no handler saw them. */
  async function giveBack(jobs: readonly Job<T>[]): Promise<void> {
    await Promise.all(jobs.map((job) => job.release()))
  }

  function begin(job: Job<T>): void {
    const work = handle(job).finally(() => atWork.delete(work))
    atWork.add(work)
  }

  async function handle(job: Job<T>): Promise<void> {
    const over = new AbortController()
    void keepExtending(job, over.signal)
    try {
      await handler(job, stop.signal)
      counts.handled++
      await job.ack()
    } catch (error) {
      counts.failed++
      events.emit('failed', error, job)
      // Given back by us at once; counted, for a handler had it.
      await job.retry(stop.signal.aborted ? { delayMs: 0, error } : { error })
    } finally {
      over.abort()
    }
  }

  async function keepExtending(job: Job<T>, signal: AbortSignal): Promise<void> {
    const timeoutMs = queue.visibilityTimeoutMs
    for (let isMine = true; isMine && !signal.aborted; ) {
      await clock.sleep(timeoutMs / 2, signal)
      if (!signal.aborted) isMine = await job.extend(timeoutMs)
    }
  }

  async function drain({ signal }: WaitOptions = {}): Promise<void> {
    noMore.abort()
    const done = loop.then(async () => void (await Promise.all(atWork)))
    if (!signal) return await done
    signal.throwIfAborted()
    let leave = (): void => undefined
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(signal.reason)
      signal.addEventListener('abort', leave, { once: true })
    })
    await Promise.race([done, left]).finally(() => signal.removeEventListener('abort', leave))
  }

  async function close(): Promise<void> {
    stop.abort()
    noMore.abort()
    await loop.catch(() => undefined)
    await Promise.all(atWork)
  }

  function stats(): Stats {
    return {
      consumer_working_handlers: { kind: 'gauge', help: 'Handlers at work', value: atWork.size },
      consumer_handled_messages_total: {
        kind: 'counter',
        help: 'Jobs that were handled',
        value: counts.handled,
      },
      consumer_failed_messages_total: {
        kind: 'counter',
        help: 'Jobs whose handler threw',
        value: counts.failed,
      },
    }
  }
}
