import type { Clock } from '@holdfast/core'
import { coordinationError } from '../errors.ts'
import { createPull } from '../pull.ts'
import type { Watch, WatchBatch } from '../store.ts'
import type { Network } from './network.ts'

export interface FaultyWatch extends Watch {
  /** The network changed. */
  wake(): void
  break(error: unknown): void
}

export interface FaultyWatchOptions {
  watch: Watch
  network: Network
  clock: Clock
  onEnd: (watch: FaultyWatch) => void
}

type Arrival = { readonly dueMs: number } & ({ readonly batch: WatchBatch } | { readonly end: unknown })

/** Passes on what a watch tells as late as the network does, in order; while it is cut, nothing. */
export function createFaultyWatch({ watch, network, clock, onEnd }: FaultyWatchOptions): FaultyWatch {
  const queue: Arrival[] = []
  const ended = new AbortController()
  let timerDueMs = Number.POSITIVE_INFINITY
  const batches = createPull(take, () => {
    ended.abort()
    onEnd(faulty)
  })
  const reading = read()
  const faulty: FaultyWatch = {
    started: watch.started,
    [Symbol.asyncIterator]: () => batches,
    wake: batches.wake,
    break: batches.end,
    close,
    [Symbol.asyncDispose]: close,
  }
  ended.signal.addEventListener('abort', () => void watch.close(), { once: true })
  return faulty

  async function read(): Promise<void> {
    try {
      for await (const batch of watch) arrive({ batch })
      arrive({ end: undefined })
    } catch (error) {
      arrive({ end: error })
    }
  }

  function arrive(what: { batch: WatchBatch } | { end: unknown }): void {
    const dueMs = Math.max(queue.at(-1)?.dueMs ?? 0, clock.now() + network.drawDelayMs())
    queue.push({ ...what, dueMs })
    batches.wake()
  }

  function take(): WatchBatch | undefined {
    const first = queue[0]
    if (!first || network.isCut('answer')) return undefined
    if (first.dueMs > clock.now()) return wakeAt(first.dueMs)
    queue.shift()
    if ('end' in first) batches.end(first.end)
    else if (!network.breaksWatch()) return first.batch
    else batches.end(coordinationError('STORE_UNAVAILABLE', 'the watch broke'))
    return undefined
  }

  function wakeAt(dueMs: number): undefined {
    if (timerDueMs <= dueMs) return
    timerDueMs = dueMs
    void clock.sleep(dueMs - clock.now(), ended.signal).then(() => {
      timerDueMs = Number.POSITIVE_INFINITY
      batches.wake()
    })
  }

  async function close(): Promise<void> {
    batches.end()
    await watch.close()
    await reading
  }
}
