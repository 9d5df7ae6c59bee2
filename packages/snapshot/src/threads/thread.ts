import { Worker } from 'node:worker_threads'
import type { Answer, Order, ThreadData } from './program.ts'

/** From source, as in tests, the build's is taken: Node 20 runs no TypeScript in a thread. */
const program = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/threads/program.js' : './program.js',
  import.meta.url,
)

/** A thread that works with calls that wait. */
export interface Thread {
  /** How many orders it has in hand. */
  readonly busy: number
  /** Rejects where the thread has died, or could not be had. */
  ask<K extends Order['kind']>(
    order: Extract<Order, { kind: K }>,
    transfer?: readonly ArrayBuffer[],
  ): Promise<Answer<K>>
}

/** Threads that are started as they are needed, and end together. */
export interface Threads {
  readonly count: number
  leastBusy(): Thread
  close(): Promise<void>
}

export function createThreads(count: number, data: ThreadData): Threads {
  const running: (Thread & { close(): Promise<void> })[] = []
  return { count, leastBusy, close }

  function leastBusy(): Thread {
    const idle = running.find(({ busy }) => busy === 0)
    if (!idle && running.length < count) running.push(startThread(data))
    return idle ?? running.reduce((least, thread) => (thread.busy < least.busy ? thread : least))
  }

  async function close(): Promise<void> {
    for (const thread of running) await thread.close()
  }
}

function startThread(workerData: ThreadData): Thread & { close(): Promise<void> } {
  // None of the process's own flags, such as for another way to resolve packages, is of use there.
  const worker = new Worker(program, { workerData, execArgv: [] })
  const asked = new Map<number, { resolve(answer: never): void; reject(error: unknown): void }>()
  let numbers = 0
  let death: { cause: unknown } | undefined
  worker.on('message', ({ number, answer }: { number: number; answer: never }) => {
    asked.get(number)?.resolve(answer)
    asked.delete(number)
  })
  worker.on('error', die)
  worker.on('exit', (code) => die(new Error(`a thread ended with ${code}`)))
  return {
    get busy() {
      return asked.size
    },
    ask: (order, transfer = []) =>
      new Promise((resolve, reject) => {
        if (death) throw death.cause
        const number = numbers++
        asked.set(number, { resolve, reject })
        worker.postMessage({ number, order }, transfer)
      }),
    close: async () => void (await worker.terminate()),
  }

  function die(cause: unknown): void {
    death ??= { cause }
    for (const { reject } of asked.values()) reject(cause)
    asked.clear()
  }
}
