import type { Clock, Events } from '@holdfast/core'
import type { UplinkEvents, UplinkJob } from '../types.ts'

/** The jobs that were taken and are not settled: what the leases are kept for, and what goes back at a stop. */
export interface Hand<T> {
  readonly size: number
  add(job: UplinkJob<T>): void
  has(job: UplinkJob<T>): boolean
  /** Resolves to whether the job was ours to the end. A failure is told, and leaves the job to be delivered again. */
  ack(job: UplinkJob<T>): Promise<boolean>
  bury(job: UplinkJob<T>, error: unknown): Promise<boolean>
  /** Gives all of them back to the queue, to be delivered again at once. */
  returnAll(error: unknown): Promise<void>
  /** Extends every lease at each third of its length, until the signal aborts. */
  keepLeases(signal: AbortSignal): Promise<void>
}

export function createHand<T>(options: {
  leaseMs: number
  clock: Clock
  events: Events<UplinkEvents>
}): Hand<T> {
  const { leaseMs, clock, events } = options
  const jobs = new Set<UplinkJob<T>>()

  return {
    get size() {
      return jobs.size
    },
    add: (job) => void jobs.add(job),
    has: (job) => jobs.has(job),
    ack: (job) => settle(job, 'ack', () => job.ack()),
    bury: (job, error) => settle(job, 'bury', () => job.bury(error)),
    returnAll,
    keepLeases,
  }

  async function settle(
    job: UplinkJob<T>,
    action: 'ack' | 'bury' | 'return',
    call: () => Promise<boolean>,
  ): Promise<boolean> {
    if (!jobs.delete(job)) return false
    try {
      if (await call()) return true
      events.emit('leaseLost', { id: job.id })
    } catch (error) {
      events.emit('queueFailed', { action, error })
    }
    return false
  }

  async function returnAll(error: unknown): Promise<void> {
    const back = await Promise.all(
      [...jobs].map((job) =>
        settle(job, 'return', () => job.release?.() ?? job.retry({ delayMs: 0, error })),
      ),
    )
    const messages = back.filter(Boolean).length
    if (messages > 0) events.emit('returned', { messages })
  }

  async function keepLeases(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(leaseMs / 3, signal)
      if (!signal.aborted) await Promise.all([...jobs].map(extend))
    }
  }

  async function extend(job: UplinkJob<T>): Promise<void> {
    try {
      if ((await job.extend(leaseMs)) || !jobs.delete(job)) return
      events.emit('leaseLost', { id: job.id })
    } catch (error) {
      events.emit('queueFailed', { action: 'extend', error })
    }
  }
}
