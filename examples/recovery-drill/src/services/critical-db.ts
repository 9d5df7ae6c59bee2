import { join } from 'node:path'
import { openQueue } from '@holdfast/queue'
import { folder, serve } from './serve.ts'

// Keeps orders in a queue on disk: POST /orders stores one, GET /orders counts them.
const queue = await openQueue<string>(join(folder, 'critical-db'), { onCorruption: 'fail' })
await serve({
  healthy: async () => queue.size.ready >= 0,
  answer: async (method, _, body) => {
    if (method === 'POST') await queue.enqueue(body)
    return { orders: queue.size.ready }
  },
  close: () => queue.close(),
})
