import { callersOf, type Load, perSecond } from './ours.ts'
import { load } from './packages.ts'
import { withServer } from './server.ts'

interface BullQueue {
  add(name: string, data: unknown, options: object): Promise<unknown>
  close(): Promise<void>
}
interface BullWorker {
  on(event: string, listener: (error: Error) => void): void
  close(): Promise<void>
}
interface BullMq {
  Queue: new (name: string, options: object) => BullQueue
  Worker: new (name: string, handler: () => Promise<void>, options: object) => BullWorker
}

/** On a redis that syncs its log before each answer. */
export function bullmqThrough(folder: string, work: Load): Promise<number> {
  const files = ['--dir', folder, '--appendonly', 'yes', '--appendfsync', 'always', '--save', '']
  return withServer(
    'redis-server',
    (port) => ['--port', String(port), '--bind', '127.0.0.1', ...files],
    (port) => measure(port, work),
  )
}

async function measure(port: number, { callers, count, bytes }: Load): Promise<number> {
  const { Queue, Worker } = load<BullMq>('bullmq')
  const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null }
  const queue = new Queue('bench', { connection })
  const data = Buffer.from(bytes).toString('latin1')
  const speed = await perSecond(count, async () => {
    await callersOf(callers, count, () => queue.add('message', data, { removeOnComplete: true }))
    await handleAll(Worker, connection, callers, count)
  })
  await queue.close()
  return speed
}

async function handleAll(
  Worker: BullMq['Worker'],
  connection: object,
  concurrency: number,
  count: number,
): Promise<void> {
  let done = 0
  const worker = new Worker('bench', async () => undefined, { connection, concurrency })
  await new Promise<void>((resolve, reject) => {
    worker.on('completed', () => {
      if (++done === count) resolve()
    })
    worker.on('error', reject)
  })
  await worker.close()
}
