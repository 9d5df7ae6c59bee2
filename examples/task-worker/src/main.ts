import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openQueue } from '@holdfast/queue'
import { startWorker, submitTasks, type Task } from './worker.ts'

// node examples/task-worker/dist/main.js [FOLDER]
const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'task-worker-')))
const options = { maxAttempts: 3, backoff: { minMs: 100 } }
const queue = await openQueue<Task>(folder, options)
await submitTasks(queue)

const worker = startWorker({
  queue,
  log: console.log,
  perform: async ({ kind, text }) => {
    if (kind === 'report') throw new Error(`cannot make ${text}`)
  },
})
process.once('SIGTERM', () => void worker.drain().then(() => queue.close()))
await queue.whenEmpty()
await worker.close()

for (const { id, value, error } of await queue.peek({ lane: 'dead' }))
  console.log(`dead    ${id} ${value.text}: ${error}`)
await queue.close()
