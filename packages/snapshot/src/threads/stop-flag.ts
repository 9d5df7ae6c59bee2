// Node aborts the whole process where a thread is ended at the moment in which it opens a compressor. So
// no thread is ever ended amid its work: it looks at this flag between two pieces of it, and ends by itself.

const stopAt = 0
const workAt = 1

/** Memory that a thread and its owner share: whether the thread is to stop, and whether it is at work. */
export interface StopFlag {
  readonly memory: SharedArrayBuffer
  /** Of the owner: no piece of work is begun any more. */
  stop(): void
  /** Of the owner: holds the thread that calls until the other is not at work, or `timeoutMs` have passed. */
  waitWhileAtWork(timeoutMs: number): void
  /** Of the thread: does the work; undefined where it is to stop, before or amid it. */
  work<T>(work: () => T): T | undefined
  /** Of the thread, before each piece of its work: throws where it is to stop. */
  throwIfStopped(): void
}

class Stopped extends Error {}

export function createStopFlag(
  memory: SharedArrayBuffer = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT),
): StopFlag {
  const cells = new Int32Array(memory)
  return {
    memory,
    stop: () => void Atomics.store(cells, stopAt, 1),
    waitWhileAtWork: (timeoutMs) => void Atomics.wait(cells, workAt, 1, timeoutMs),
    work,
    throwIfStopped,
  }

  // At work first, then a look whether to stop: who says stop and then looks has seen all that is at work.
  function work<T>(work: () => T): T | undefined {
    Atomics.store(cells, workAt, 1)
    try {
      throwIfStopped()
      return work()
    } catch (error) {
      if (error instanceof Stopped) return undefined
      throw error
    } finally {
      Atomics.store(cells, workAt, 0)
      Atomics.notify(cells, workAt)
    }
  }

  function throwIfStopped(): void {
    if (Atomics.load(cells, stopAt) === 1) throw new Stopped()
  }
}
