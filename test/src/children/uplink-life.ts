import { appendFileSync } from 'node:fs'
import { openQueue } from '@holdfast/queue'
import { startUplink } from '@holdfast/uplink'

// Enqueues numbers, writes down each that was accepted, and ships them all the while; until it is killed.
const [folder, log, url, start] = process.argv.slice(2) as [string, string, string, string]
const queue = await openQueue<number>(folder, { durability: 'os', ballastBytes: 0 })
await startUplink({
  ...{ queue, url, concurrency: 2, batch: { maxMessages: 20, maxAgeMs: 1 } },
  ...{ backoff: { minMs: 1, maxMs: 20 }, circuit: { openMs: 5, maxOpenMs: 20 } },
})
for (let next = Number(start); ; next++) {
  const { id } = await queue.enqueue(next)
  appendFileSync(log, `${next} ${id}\n`)
}
