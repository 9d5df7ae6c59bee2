import { type Clock, systemClock } from '@holdfast/core'
import { type Consumer, type Queue, startConsumer } from '@holdfast/queue'

export interface Task {
  kind: 'mail' | 'invoice' | 'report'
  customer: string
  text: string
}

export interface WorkerOptions {
  queue: Queue<Task>
  /** Does one task; throws where it cannot. */
  perform: (task: Task, attempt: number) => Promise<void>
  log: (line: string) => void
  clock?: Clock
}

/** Does tasks four at a time, no more than 50 a second, and says what becomes of them. */
export function startWorker({ queue, perform, log, clock = systemClock }: WorkerOptions): Consumer {
  const worker = startConsumer(
    queue,
    async (job) => {
      await perform(job.value, job.attempt)
      log(`done    ${job.value.text}${job.attempt > 1 ? ` (attempt ${job.attempt})` : ''}`)
    },
    { concurrency: 4, rate: { max: 50, perMs: 1_000 }, clock },
  )
  worker.on('failed', (error, { attempt }) => log(`failed  attempt ${attempt}: ${error}`))
  queue.on('buried', ({ attempts, error }) => log(`buried  after ${attempts} attempts: ${error}`))
  return worker
}

/** One of each thing that a task can be. */
export async function submitTasks(queue: Queue<Task>): Promise<void> {
  const mail = (text: string): Task => ({ kind: 'mail', customer: 'ada', text })
  await queue.enqueue(mail('the newsletter'))
  await queue.enqueue(mail('a password reset: goes first'), { priority: 9 })
  await queue.enqueue(mail('a reminder: half a second later'), { delayMs: 500 })
  for (const text of ['invoice 1 of bob', 'invoice 2 of bob', 'invoice 3 of bob'])
    await queue.enqueue({ kind: 'invoice', customer: 'bob', text }, { group: 'bob' })
  await queue.enqueue(
    { kind: 'report', customer: 'eve', text: 'the report nobody can make' },
    { key: 'report-7' },
  )
  await queue.enqueue({ kind: 'report', customer: 'eve', text: 'the same report again' }, { key: 'report-7' })
}
