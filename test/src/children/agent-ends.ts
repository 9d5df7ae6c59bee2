// FOLDER WAY AFTER_MS START: an agent amid its work, which ends itself in some way, so long after it was up. Writes down what it was promised.
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAgent } from '@holdfast/agent'
import { openQueue, startConsumer } from '@holdfast/queue'
import { directory, folderStore, levelDb, openRepository } from '@holdfast/snapshot'
import type { Way } from '../agent/ways.ts'

const [folder, way, afterMs, start] = process.argv.slice(2) as [string, Way, string, string]
const path = join(folder, 'queue')
const note = (text: string): void => appendFileSync(join(folder, 'promises'), `${text}\n`)
const queue = await openQueue<number>(path, { ballastBytes: 0 })
const repository = await openRepository(folderStore(join(folder, 'repository')), { threads: 2 })
const stop = new AbortController()
const ways: Record<Way, () => void> = {
  exit: () => process.exit(7),
  throw: () => {
    throw new Error('as planned')
  },
  reject: () => void Promise.reject(new Error('as planned')),
  drain() {
    void queue.drain()
    setTimeout(() => process.exit(18), 10)
  },
  close() {
    void Promise.all([queue.close(), repository.close()])
    setTimeout(() => process.exit(19), 1)
  },
  abort() {
    stop.abort()
    setTimeout(() => process.exit(20), 1)
  },
  stop: () => process.kill(process.pid, 'SIGTERM'),
  amidStop() {
    process.kill(process.pid, 'SIGTERM')
    setTimeout(() => process.exit(21), 5)
  },
}

/** A unit that does something over and over until it is refused. */
function forever(work: () => Promise<unknown>) {
  let isOver = false
  const loop = (async () => {
    while (!isOver) await work()
  })().catch((error: unknown) => {
    const { name, code = name } = error as { name: string; code?: string | number }
    if (
      !['AbortError', 'QUEUE_CLOSED', 'QUEUE_DRAINING', 'REPOSITORY_CLOSED'].includes(
        name === 'AbortError' ? name : String(code),
      )
    )
      throw error
  })
  const close = async (): Promise<void> => {
    isOver = true
    await loop
  }
  return { [Symbol.asyncDispose]: close }
}

let next = Number(start)
const agent = createAgent({ intensity: { max: 0, perMs: 1_000 } })
  .unit('queue', [], () => queue)
  .unit('repository', [], () => repository)
  .unit('produce', ['queue'], () =>
    forever(async () => {
      const value = next++
      const { id } = await queue.enqueue(value, { priority: value % 3 })
      note(`accepted ${value} ${id}`)
    }),
  )
  .unit('consume', ['queue'], () =>
    startConsumer(queue, async (job) => {
      if (job.value % 2 === 0) return void (await job.retry({ delayMs: 1 }))
      note(`acking ${job.value} ${job.id}`)
      if (await job.ack()) note(`acked ${job.value} ${job.id}`)
    }),
  )
  .unit('look', ['queue'], () => forever(() => queue.verify()))
  .unit('backup', ['queue', 'repository'], () =>
    forever(async () => {
      const options = { signal: stop.signal, forceRead: true }
      await repository.backup(directory(join(folder, 'source')), { name: 'files', ...options })
      await repository.backup(levelDb(path), { name: 'queue', ...options })
    }),
  )
agent.on('agentStarted', () => setTimeout(() => ways[way](), Number(afterMs)))
await agent.run({ process })
