import { Worker } from 'node:worker_threads'
import type { Answer, Order, ThreadData } from './program.ts'
import { createStopFlag, type StopFlag } from './stop-flag.ts'

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
  /** Whether any was. */
  readonly started: boolean
  leastBusy(): Thread
  /** Has them stop after the file, entry or chunk that they have in hand; the orders left reject. */
  close(): Promise<void>
}

/** How long the end of the process waits for what its threads have in hand, in milliseconds. */
const exitTimeoutMs = 2_000
const flags = new Set<StopFlag>()

export function createThreads(count: number, data: Omit<ThreadData, 'stopFlag'>): Threads {
  const running: (Thread & { close(): Promise<void> })[] = []
  return {
    count,
    get started() {
      return running.length > 0
    },
    leastBusy,
    close,
  }

  function leastBusy(): Thread {
    const idle = running.find(({ busy }) => busy === 0)
    if (!idle && running.length < count) running.push(startThread(data))
    return idle ?? running.reduce((least, thread) => (thread.busy < least.busy ? thread : least))
  }

  async function close(): Promise<void> {
    await Promise.all(running.map((thread) => thread.close()))
  }
}

function startThread(data: Omit<ThreadData, 'stopFlag'>): Thread & { close(): Promise<void> } {
  const flag = createStopFlag()
  const workerData: ThreadData = { ...data, stopFlag: flag.memory }
  // None of the process's own flags, such as for another way to resolve packages, is of use there.
  const worker = new Worker(program, { workerData, execArgv: [] })
  if (flags.size === 0) process.on('exit', stopAll)
  flags.add(flag)
  const asked = new Map<number, { resolve(answer: never): void; reject(error: unknown): void }>()
  let numbers = 0
  let death: { cause: unknown } | undefined
  worker.on('message', ({ number, answer }: { number: number; answer: never }) => {
    asked.get(number)?.resolve(answer)
    asked.delete(number)
  })
  worker.on('error', die)
  const ended = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      flags.delete(flag)
      if (flags.size === 0) process.off('exit', stopAll)
      die(new Error(`a thread ended with ${code}`))
      resolve()
    })
  })
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
    close() {
      flag.stop()
      worker.postMessage({ number: numbers++, order: null })
      return ended
    },
  }

  function die(cause: unknown): void {
    death ??= { cause }
    for (const { reject } of asked.values()) reject(cause)
    asked.clear()
  }
}

/** A process that exits ends its threads wherever they are. */
function stopAll(): void {
  for (const flag of flags) flag.stop()
  // In real time, as `Atomics.wait` counts: all of them together have so long.
  const until = performance.now() + exitTimeoutMs
  for (const flag of flags) flag.waitWhileAtWork(Math.max(0, until - performance.now()))
}
