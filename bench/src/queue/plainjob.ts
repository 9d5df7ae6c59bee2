import { join } from 'node:path'
import { type Load, perSecond } from './ours.ts'
import { load } from './packages.ts'

interface PlainQueue {
  add(type: string, data: unknown): void
  getAndMarkJobAsProcessing(type: string): { id: number } | undefined
  getJobById(id: number): unknown
  markJobAsDone(id: number): void
  close(): void
}
interface Plainjob {
  better(database: unknown): unknown
  defineQueue(options: { connection: unknown; logger: unknown }): PlainQueue
}

/** Its calls are synchronous, so that there is no more than one at a time. */
export async function plainjobThrough(folder: string, { count, bytes }: Load): Promise<number> {
  const Sqlite = load<new (path: string) => { close(): void }>('better-sqlite3')
  const { better, defineQueue } = load<Plainjob>('plainjob')
  const say = (): void => undefined
  const database = new Sqlite(join(folder, 'plainjob'))
  const logger = { error: say, warn: say, info: say, debug: say }
  const queue = defineQueue({ connection: better(database), logger })
  const text = Buffer.from(bytes).toString('latin1')
  const speed = await perSecond(count, async () => {
    for (let index = 0; index < count; index++) queue.add('bench', text)
    for (let job = queue.getAndMarkJobAsProcessing('bench'); job; ) {
      queue.getJobById(job.id)
      queue.markJobAsDone(job.id)
      job = queue.getAndMarkJobAsProcessing('bench')
    }
  })
  queue.close()
  return speed
}
