import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { openQueue } from '@holdfast/queue'
import { requeueDead, startWorker, submitTasks, type Task } from './worker.ts'

// node examples/task-worker/dist/main.js [FOLDER]
const folder = process.argv[2] ?? (await mkdtemp(join(tmpdir(), 'task-worker-')))
const log = console.log
const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stop.abort())

// Disposed in reverse at the end, whatever it is: the worker first.
await using queue = await openQueue<Task>(folder, { maxAttempts: 3, backoff: { minMs: 100 } })
if (queue.size.ready + queue.size.delayed > 0) log(`goes on with what ${folder} holds`)
else await submitTasks(queue, log)

let isPrinterBroken = true
await using worker = startWorker({
  queue,
  log,
  perform: async ({ kind, text }) => {
    await sleep(50)
    if (kind === 'report' && isPrinterBroken) throw new Error(`no printer for ${text}`)
  },
})

try {
  await queue.whenEmpty({ signal: stop.signal })
  isPrinterBroken = false
  log('the printer is repaired')
  await requeueDead(queue, log)
  await queue.whenEmpty({ signal: stop.signal })
} catch (error) {
  if (!stop.signal.aborted) throw error
  await worker.drain()
  log(`stopped; node examples/task-worker/dist/main.js ${folder} goes on`)
}
