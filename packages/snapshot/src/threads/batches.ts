import { createLanes } from '../lanes.ts'

export interface BatchLimits {
  /** So many items, or bytes of them, make a batch full. */
  readonly items: number
  readonly bytes: number
  /** Batches in hand at a time. */
  readonly atOnce: number
}

export interface Batches<T, R> {
  /** Resolves to what came of the item. Rejects where its batch, or one before it, failed. */
  add(item: T, bytes: number): Promise<R>
  /** No batch is begun any more. */
  close(): void
}

interface Waiting<T, R> {
  readonly item: T
  resolve(result: R): void
  reject(error: unknown): void
}

/** Gathers items and runs them many at a time. What comes in one turn of the event loop goes together, and does not wait for more. */
export function createBatches<T, R>(
  limits: BatchLimits,
  run: (items: readonly T[]) => Promise<readonly R[]>,
): Batches<T, R> {
  const lanes = createLanes(limits.atOnce)
  let waiting: Waiting<T, R>[] = []
  let waitingBytes = 0
  let flushing: NodeJS.Immediate | undefined
  return { add, close: () => clearImmediate(flushing) }

  function add(item: T, bytes: number): Promise<R> {
    return new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject })
      waitingBytes += bytes
      if (waiting.length >= limits.items || waitingBytes >= limits.bytes) flush()
      else flushing ??= setImmediate(flush)
    })
  }

  function flush(): void {
    clearImmediate(flushing)
    flushing = undefined
    const batch = waiting
    waiting = []
    waitingBytes = 0
    if (batch.length > 0) lanes.begin(() => settle(batch)).catch((error: unknown) => rejectAll(batch, error))
  }

  async function settle(batch: readonly Waiting<T, R>[]): Promise<void> {
    try {
      const results = await run(batch.map(({ item }) => item))
      for (const [at, { resolve }] of batch.entries()) resolve(results[at]!)
    } catch (error) {
      rejectAll(batch, error)
      throw error
    }
  }

  function rejectAll(batch: readonly Waiting<T, R>[], error: unknown): void {
    for (const { reject } of batch) reject(error)
  }
}
