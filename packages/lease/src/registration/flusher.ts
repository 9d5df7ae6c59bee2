import { type Backoff, backoffMs, type Clock, type Random } from '@holdfast/core'
import { createGate } from '../session/gate.ts'
import type { Tenure } from '../session/tenure.ts'
import { takeBatch } from './batch.ts'
import type { Desired } from './desired.ts'

/** Says when what is dirty is committed, and in which batches: never two at a time for one key. */
export interface Flusher {
  /** Has what is dirty committed from the end of this turn on, until all of it is. */
  start(): void
  /** Begins no batch before it settles. It must not reject. */
  holdFor(evidence: Promise<void>): void
  /** Resolves when nothing is dirty, or the signal aborts. */
  clean(signal: AbortSignal): Promise<void>
  /** Resolves when nothing is under way; call it once `closing` has aborted. */
  ended(): Promise<void>
}

/** `refused`: as a whole, for something in it that the store may never take. Unless `done`, it is dirty again. */
export type Committed = 'done' | 'failed' | 'refused'

export interface FlusherOptions {
  readonly dirty: Set<Desired>
  readonly clock: Clock
  readonly random: Random
  readonly backoff: Backoff
  readonly closing: AbortSignal
  nextHeld(signal: AbortSignal): Promise<Tenure>
  /** Never rejects. */
  commit(tenure: Tenure, batch: readonly Desired[]): Promise<Committed>
}

/** While the store writes one, the next ones are prepared. */
const mostTransactions = 4

export function createFlusher(options: FlusherOptions): Flusher {
  const { dirty, clock, random, backoff, closing, nextHeld, commit } = options
  const cleaned = createGate()
  let flushing: Promise<void> | undefined
  let evidence: Promise<void> | undefined
  /** Set while one wish that the store refuses may hide among others. */
  let oneByOne = false

  return {
    start,
    holdFor(until) {
      evidence = until
    },
    async clean(signal) {
      while (flushing && !signal.aborted) await cleaned.wait(signal)
    },
    async ended() {
      await flushing
    },
  }

  function start(): void {
    if (flushing || dirty.size === 0 || closing.aborted) return
    flushing = flush().finally(() => {
      flushing = undefined
      start()
      cleaned.open()
    })
  }

  async function flush(): Promise<void> {
    // Whoever registers in the same turn goes along.
    await Promise.resolve()
    for (let failures = 0; dirty.size > 0; ) {
      const isClean = await commitAll().catch(unlessClosing)
      if (isClean === undefined) return
      failures = isClean ? 0 : failures + 1
      if (failures > 0) await clock.sleep(backoffMs(backoff, failures, random), closing)
      else oneByOne = false
    }
  }

  function unlessClosing(error: unknown): undefined {
    if (!closing.aborted) throw error
  }

  /** Commits until nothing is left or something failed; resolves with whether nothing did. */
  async function commitAll(): Promise<boolean> {
    const items = new Set<Desired>()
    const transactions = new Set<Promise<void>>()
    let isClean = true
    try {
      do {
        await evidence
        const tenure = await nextHeld(closing)
        while (isClean && transactions.size < mostTransactions) {
          const batch = takeBatch(dirty, items, oneByOne ? 1 : undefined)
          if (batch.length === 0) break
          const transaction = send(tenure, batch).finally(() => transactions.delete(transaction))
          transactions.add(transaction)
        }
        if (transactions.size > 0) await Promise.race(transactions)
      } while (transactions.size > 0 || (isClean && dirty.size > 0))
      return isClean
    } finally {
      await Promise.all(transactions)
    }

    async function send(tenure: Tenure, batch: readonly Desired[]): Promise<void> {
      for (const item of batch) items.add(item)
      const committed = await commit(tenure, batch)
      if (committed === 'refused') oneByOne = true
      if (committed !== 'done') isClean = false
      for (const item of batch) items.delete(item)
    }
  }
}
