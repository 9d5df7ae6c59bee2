import { join } from 'node:path'
import { bytesCodec, type Durability, openQueue, type Queue } from '@holdfast/queue'

export type Mode = Durability

/** Bytes that LevelDB's compression gains something from, but not everything. */
export function payloadOf(bytes: number): Uint8Array {
  return new Uint8Array(bytes).map((_, index) => (index * 31) % 251)
}

export const payload: Uint8Array = payloadOf(256)

export function open(folder: string, durability: Mode = 'os'): Promise<Queue<Uint8Array>> {
  return openQueue(join(folder, 'queue'), { codec: bytesCodec, durability, ballastBytes: 0 })
}

export async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (count / (performance.now() - start)) * 1_000
}

/** So many callers, each of which waits for one message before it gives the next. */
export async function callersOf(
  callers: number,
  count: number,
  call: (caller: number) => Promise<unknown>,
): Promise<void> {
  let left = count
  const run = async (caller: number): Promise<void> => {
    while (left-- > 0) await call(caller)
  }
  await Promise.all(Array.from({ length: callers }, (_, caller) => run(caller)))
}

export function fill(
  queue: Queue<Uint8Array>,
  count: number,
  callers = 1_024,
  bytes: Uint8Array = payload,
): Promise<void> {
  return callersOf(callers, count, () => queue.enqueue(bytes))
}

/**
 * Takes and acknowledges in batches, until so many are done or nothing is left.
 * While the acknowledgements of one batch are being written, the next is taken: two are in hand at most.
 */
export async function drain(
  queue: Queue<Uint8Array>,
  count: number = Number.POSITIVE_INFINITY,
  max = 128,
): Promise<void> {
  let acknowledged: Promise<unknown> = Promise.resolve()
  for (let done = 0; done < count; ) {
    const jobs = await queue.take({ max })
    const former = acknowledged
    acknowledged = Promise.all(jobs.map((job) => job.ack()))
    await former
    if (jobs.length === 0) return
    done += jobs.length
  }
  await acknowledged
}

export interface Load {
  readonly callers: number
  readonly mode: Mode
  readonly count: number
  readonly bytes: Uint8Array
}

export async function enqueue(folder: string, { callers, mode, count, bytes }: Load): Promise<number> {
  const queue = await open(folder, mode)
  const speed = await perSecond(count, () => fill(queue, count, callers, bytes))
  await queue.close()
  return speed
}

/** Opened again before it is drained, so that all is read from disk. */
export async function takeAll(folder: string, { callers, mode, count, bytes }: Load): Promise<number> {
  const first = await open(folder)
  await fill(first, count, 1_024, bytes)
  await first.close()
  const queue = await open(folder, mode)
  const speed = await perSecond(count, () => drain(queue, count, callers))
  await queue.close()
  return speed
}

/** Each message through all: enqueued, taken, acknowledged. */
export async function through(folder: string, { callers, mode, count, bytes }: Load): Promise<number> {
  const queue = await open(folder, mode)
  const speed = await perSecond(count, async () => {
    await fill(queue, count, callers, bytes)
    await drain(queue, count, callers)
  })
  await queue.close()
  return speed
}
