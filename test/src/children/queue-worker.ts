import { appendFileSync } from 'node:fs'
import { type Codec, jsonCodec, openQueue } from '@holdfast/queue'

// Enqueues numbers and acknowledges what it takes, and writes down each of both once it is promised; until it is killed.
const [folder, log, durability, start] = process.argv.slice(2) as [string, string, 'fsync' | 'os', string]
/** All but every fourth are large, for pages of those are written in another way. */
const codec: Codec<number> = {
  encode: (value) => Buffer.from(String(value).padEnd(value % 4 === 0 ? 0 : 30_000)),
  decode: (jsonCodec as Codec<number>).decode,
}
const queue = await openQueue<number>(folder, { durability, codec, ballastBytes: 0 })
let next = Number(start)
await Promise.all([produce(), produce(), produce(), consume()])

async function produce(): Promise<void> {
  for (;;) {
    const value = next++
    const { id } = await queue.enqueue(value, value % 10 === 0 ? { delayMs: 1 } : { priority: value % 3 })
    appendFileSync(log, `accepted ${value} ${id}\n`)
  }
}

async function consume(): Promise<void> {
  for (;;) {
    for (const job of await queue.take({ max: 7, waitMs: 1_000 })) {
      if (job.value % 5 === 0) await job.retry({ delayMs: job.value % 2 })
      else if (job.value % 7 !== 0) {
        appendFileSync(log, `acking ${job.value} ${job.id}\n`)
        if (await job.ack()) appendFileSync(log, `acked ${job.value} ${job.id}\n`)
      }
    }
  }
}
