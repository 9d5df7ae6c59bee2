import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { openQueue, type Queue } from '@holdfast/queue'
import { startUplink, type UplinkJob, type UplinkQueue } from '@holdfast/uplink'

export type Compression = 'gzip' | 'none'

/** What an agent ships: about 250 bytes as JSON. */
export interface Reading {
  at: number
  host: string
  metric: string
  values: number[]
}

const batch = 256
const gzipped = promisify(gzip)

export function reading(number: number): Reading {
  const values = Array.from({ length: 12 }, (_, at) => Math.round(Math.sin(number + at) * 1e6) / 1e3)
  return { at: 1_700_000_000_000 + number, host: `edge-${number % 97}`, metric: 'disk.latency', values }
}

/** By the uplink, from a queue that costs nothing. */
export async function shipByUplink(
  url: string,
  readings: readonly Reading[],
  compression: Compression,
): Promise<void> {
  const { queue, empty } = createFeed(readings)
  const uplink = await startUplink({ queue, url, compression, batch: { maxMessages: batch, maxAgeMs: 0 } })
  await empty
  await uplink.close()
}

/** By the loop that one writes first: no retry, no lease, no refusal, no limit. */
export async function shipByFetch(
  url: string,
  readings: readonly Reading[],
  compression: Compression,
): Promise<void> {
  for (let from = 0; from < readings.length; from += batch) {
    const messages = readings.slice(from, from + batch).map((value, at) => ({ id: `m${from + at}`, value }))
    await post(url, messages, compression)
  }
}

/** Both from a queue on disk, which was filled before. */
export async function drainByUplink(url: string, queue: Queue<Reading>): Promise<void> {
  const uplink = await startUplink({ queue, url, batch: { maxMessages: batch, maxAgeMs: 0 } })
  await queue.whenEmpty()
  await uplink.close()
}

export async function drainByFetch(url: string, queue: Queue<Reading>): Promise<void> {
  for (
    let jobs = await queue.take({ max: batch });
    jobs.length > 0;
    jobs = await queue.take({ max: batch })
  ) {
    await post(
      url,
      jobs.map(({ id, value }) => ({ id, value })),
      'gzip',
    )
    await Promise.all(jobs.map((job) => job.ack()))
  }
}

export async function openFilled(folder: string, readings: readonly Reading[]): Promise<Queue<Reading>> {
  const queue = await openQueue<Reading>(folder, { durability: 'os', ballastBytes: 0 })
  for (let from = 0; from < readings.length; from += 1_000)
    await queue.enqueueMany(readings.slice(from, from + 1_000))
  return queue
}

async function post(
  url: string,
  messages: readonly { id: string; value: Reading }[],
  compression: Compression,
): Promise<void> {
  const plain = messages.map((message) => `${JSON.stringify(message)}\n`).join('')
  const headers = { 'content-type': 'application/x-ndjson' }
  const response =
    compression === 'none'
      ? await fetch(url, { method: 'POST', headers, body: plain })
      : await fetch(url, {
          method: 'POST',
          headers: { ...headers, 'content-encoding': 'gzip' },
          body: await gzipped(plain, { level: 1 }),
        })
  if (!response.ok) throw new Error(`answered ${response.status}`)
  await response.arrayBuffer()
}

/** Jobs that are there for the taking; `empty` resolves when the last one was acknowledged. */
function createFeed(readings: readonly Reading[]): { queue: UplinkQueue<Reading>; empty: Promise<void> } {
  let next = 0
  let left = readings.length
  let end: (() => void) | undefined
  const empty = new Promise<void>((resolve) => {
    end = resolve
  })
  const acked = (): void => {
    left -= 1
    if (left === 0) end?.()
  }
  return {
    empty,
    queue: {
      async take({ max, signal }) {
        const from = next
        next = Math.min(readings.length, next + max)
        if (from < next)
          return readings.slice(from, next).map((value, at) => new FeedJob(from + at, value, acked))
        await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }))
        return []
      },
    },
  }
}

/** As cheap as a job can be. */
class FeedJob implements UplinkJob<Reading> {
  readonly id: string
  readonly value: Reading
  readonly attempt = 1
  readonly #acked: () => void

  constructor(number: number, value: Reading, acked: () => void) {
    this.id = `m${number}`
    this.value = value
    this.#acked = acked
  }

  async ack(): Promise<boolean> {
    this.#acked()
    return true
  }

  async retry(): Promise<boolean> {
    return true
  }

  async extend(): Promise<boolean> {
    return true
  }

  async bury(): Promise<boolean> {
    return true
  }
}
