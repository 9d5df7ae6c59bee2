import { type Backoff, backoffMs, type Clock, isHoldfastError, type Random } from '@holdfast/core'
import type { UplinkJob, UplinkQueue } from '../types.ts'
import { type BatchSize, fitting, isFull, type Parcel } from './batch.ts'

export interface GathererOptions<T> {
  readonly queue: UplinkQueue<T>
  readonly size: BatchSize
  readonly maxAgeMs: number
  readonly clock: Clock
  readonly random: Random
  readonly backoff: Backoff
  /** Aborts when nothing more is to be taken. */
  readonly signal: AbortSignal
  /** Told of every job as it is taken; answers with its parcel, if it can be sent. */
  pack(jobs: readonly UplinkJob<T>[]): Promise<readonly Parcel<T>[]>
  failed(error: unknown): void
}

/** How long one take waits before the next one, in milliseconds: any queue can do that, not any can wait for ever. */
const idleTakeMs = 30_000
/** The pause after a queue had nothing and did not wait, in milliseconds: asked again at once, it could let nothing else run. */
const impatientPauseMs = 100

/** Gathers jobs into batches: by count, by bytes, and by the age of the first. Answers with none only after the abort. */
export function createGatherer<T>(options: GathererOptions<T>): () => Promise<readonly Parcel<T>[]> {
  const { queue, size, maxAgeMs, clock, random, backoff, signal, pack, failed } = options
  /** Taken, but not yet in a batch. */
  const waiting: Parcel<T>[] = []

  return async function next() {
    while (waiting.length === 0 && !signal.aborted) await takeFirst()
    const until = clock.now() + maxAgeMs
    for (let more = true; more && !isFull(waiting, size) && !signal.aborted; ) {
      const leftMs = until - clock.now()
      more = leftMs > 0 && (await take(size.maxMessages - waiting.length, leftMs))
    }
    return waiting.splice(0, fitting(waiting, size))
  }

  async function takeFirst(): Promise<void> {
    const began = clock.now()
    if (await take(size.maxMessages, idleTakeMs)) return
    if (clock.now() - began < impatientPauseMs) await clock.sleep(impatientPauseMs, signal)
  }

  /** Whether there were any. Rejects when the queue will never give any again. */
  async function take(max: number, waitMs: number): Promise<boolean> {
    for (let failures = 1; ; failures += 1) {
      try {
        const jobs = await queue.take({ max, waitMs, signal })
        waiting.push(...(await pack(jobs)))
        return jobs.length > 0
      } catch (error) {
        if (signal.aborted) return false
        failed(error)
        if (isHoldfastError(error) && !error.retryable) throw error
        await clock.sleep(backoffMs(backoff, failures, random), signal)
      }
    }
  }
}
