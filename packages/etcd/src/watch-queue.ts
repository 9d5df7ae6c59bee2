import { coordinationError, type WatchBatch, type WatchEvent } from '@holdfast/coordination'

/** What has come for one watch and was not yet read. Iterate it once. */
export interface WatchQueue {
  readonly batches: AsyncIterableIterator<WatchBatch>
  /** Ignored once it has ended. Ends it with STORE_UNAVAILABLE where it would hold more than it may. */
  push(batch: WatchBatch): void
  /** Ends it: what was pushed can still be read, then its reader gets the error. The first end counts. */
  fail(error: Error): void
  /** Ends it at once, without an error. */
  end(): void
}

/** What an event costs beside its key and value, roughly. */
const eventBytes = 200

export function createWatchQueue(maxBytes: number, onEnd: () => void): WatchQueue {
  let waiting: (() => void)[] = []
  let filled: WatchBatch[] = []
  /** The part of the queue that is being read, last first: taking from the end is cheap. */
  let reading: WatchBatch[] = []
  let bytes = 0
  let ended = false
  let failure: { error: Error } | undefined

  const batches: AsyncIterableIterator<WatchBatch> = {
    next,
    return: async () => {
      end()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => batches,
  }
  return { batches, push, fail, end }

  async function next(): Promise<IteratorResult<WatchBatch>> {
    for (;;) {
      const batch = take()
      if (batch) return { done: false, value: batch }
      if (ended) break
      await new Promise<void>((resolve) => waiting.push(resolve))
    }
    const failed = failure
    failure = undefined
    if (failed) throw failed.error
    return { done: true, value: undefined }
  }

  function take(): WatchBatch | undefined {
    if (reading.length === 0) {
      reading = filled.reverse()
      filled = []
    }
    const batch = reading.pop()
    if (batch) bytes -= sizeOf(batch)
    return batch
  }

  function push(batch: WatchBatch): void {
    if (ended) return
    const size = sizeOf(batch)
    if (bytes > 0 && bytes + size > maxBytes) fail(tooSlow(maxBytes))
    else {
      bytes += size
      filled.push(batch)
      wake()
    }
  }

  function fail(error: Error): void {
    if (ended) return
    failure = { error }
    close()
  }

  function end(): void {
    filled = []
    reading = []
    failure = undefined
    if (!ended) close()
  }

  function close(): void {
    ended = true
    onEnd()
    wake()
  }

  function wake(): void {
    const woken = waiting
    waiting = []
    for (const resolve of woken) resolve()
  }
}

function sizeOf({ events }: WatchBatch): number {
  return events.reduce((total, event) => total + sizeOfEvent(event), 0)
}

function sizeOfEvent(event: WatchEvent): number {
  return (
    eventBytes + (event.kind === 'put' ? event.entry.key.length + event.entry.value.length : event.key.length)
  )
}

function tooSlow(maxBytes: number): Error {
  const problem = `the watch's reader is more than ${maxBytes} bytes behind: read the present and watch again`
  return coordinationError('STORE_UNAVAILABLE', problem, { fields: { maxBytes } })
}
