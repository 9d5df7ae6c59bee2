import type { Context } from './context.ts'
import type { Delivery } from './delivery.ts'
import { queueError } from './errors.ts'
import { checkTake } from './options.ts'
import type { Job, TakeOptions } from './types.ts'

/** The callers that want jobs, in the order in which they came. */
export interface Takes<T> {
  take(options: TakeOptions): Promise<Job<T>[]>
  /** Something may be there now: serves who waits. */
  serve(): void
  /** Hands out nothing any more, and gives back what nobody saw. Who waits goes on waiting: one that asks in a loop must never spin. */
  drain(): void
  /** Ends every take that waits, and refuses others. */
  end(error: Error): void
}

export interface TakesParts<T> {
  context: Context<T>
  delivery: Delivery<T>
  /** After an unclean open each delivery is written before it goes out, until a job was settled. */
  mustMark(): boolean
  mark(): Promise<void>
}

interface Taker<T> {
  max: number
  visibilityTimeoutMs: number
  resolve(jobs: Job<T>[]): void
  reject(error: unknown): void
}

export function createTakes<T>({ context, delivery, mustMark, mark }: TakesParts<T>): Takes<T> {
  const { clock, visibilityTimeoutMs } = context.settings
  const waiting = new Set<Taker<T>>()
  /** On their way to their callers: what the end gives back, for nobody saw it. */
  const underway = new Set<readonly Job<T>[]>()
  let isDraining = false
  let over: Error | undefined
  return { take, serve, drain, end }

  async function take(options: TakeOptions): Promise<Job<T>[]> {
    const { max, waitMs, ...settings } = checkTake(options)
    const { signal } = options
    if (over) throw over
    if (signal?.aborted) return []
    const timeoutMs = settings.visibilityTimeoutMs ?? visibilityTimeoutMs
    const jobs = waiting.size === 0 ? await takeNow(max, timeoutMs) : []
    if (jobs.length > 0 || waitMs === 0) return await ready(jobs)
    return await ready(await wait(max, timeoutMs, waitMs, signal))
  }

  /** Resolves with what there is, read from disk where it must be. */
  async function takeNow(max: number, timeoutMs: number): Promise<Job<T>[]> {
    while (!isDraining) {
      const { jobs, reading } = delivery.deliver(max, timeoutMs)
      if (jobs.length > 0) {
        underway.add(jobs)
        context.wake()
      }
      if (jobs.length > 0 || !reading) return jobs
      await reading
    }
    return []
  }

  async function ready(jobs: Job<T>[]): Promise<Job<T>[]> {
    if (jobs.length === 0) return jobs
    try {
      const reading = delivery.readCheckpoints(jobs)
      if (reading) await reading
      if (mustMark()) await mark()
    } finally {
      underway.delete(jobs)
    }
    if (over) throw over
    return isDraining ? [] : jobs
  }

  async function wait(
    max: number,
    timeoutMs: number,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Job<T>[]> {
    // It may have ended while the disk was read.
    if (over) throw over
    const left = new AbortController()
    const leave = (): void => left.abort()
    signal?.addEventListener('abort', leave, { once: true })
    try {
      return await new Promise<Job<T>[]>((resolve, reject) => {
        const taker: Taker<T> = { max, visibilityTimeoutMs: timeoutMs, resolve, reject }
        waiting.add(taker)
        left.signal.addEventListener('abort', () => {
          if (waiting.delete(taker)) resolve([])
        })
        if (waitMs < Number.POSITIVE_INFINITY) void clock.sleep(waitMs, left.signal).then(leave, reject)
        if (signal?.aborted) leave()
        serve()
      })
    } finally {
      left.abort()
      signal?.removeEventListener('abort', leave)
    }
  }

  function serve(): void {
    if (isDraining) return
    for (const taker of waiting) {
      const { jobs, reading } = delivery.deliver(taker.max, taker.visibilityTimeoutMs)
      if (jobs.length === 0) return void reading?.catch(fail)
      waiting.delete(taker)
      underway.add(jobs)
      taker.resolve(jobs)
    }
  }

  function fail(error: unknown): void {
    for (const taker of waiting) taker.reject(error)
    waiting.clear()
  }

  function drain(): void {
    isDraining = true
    for (const jobs of underway) for (const job of jobs) void job.release()
  }

  function end(error: Error): void {
    over ??= error
    drain()
    fail(error)
  }
}

export function closedError(): Error {
  return queueError('QUEUE_CLOSED', 'The queue is closed; open it again.')
}
