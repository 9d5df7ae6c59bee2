import { type Clock, systemClock } from '@holdfast/core'
import { type Consumer, type EnqueueOptions, type Queue, startConsumer } from '@holdfast/queue'

export interface Task {
  kind: 'mail' | 'invoice' | 'report'
  customer: string
  text: string
}

export type Log = (line: string) => void

export interface WorkerOptions {
  queue: Queue<Task>
  /** Does one task; throws where it cannot. */
  perform: (task: Task, attempt: number) => Promise<void>
  log: Log
  clock?: Clock
}

/** Does tasks four at a time, no more than 50 a second, and says what becomes of them. */
export function startWorker({ queue, perform, log, clock = systemClock }: WorkerOptions): Consumer {
  const worker = startConsumer(
    queue,
    async (job) => {
      await perform(job.value, job.attempt)
      log(`done      ${job.value.text}${job.attempt > 1 ? ` (attempt ${job.attempt})` : ''}`)
    },
    { concurrency: 4, rate: { max: 50, perMs: 1_000 }, clock },
  )
  worker.on('failed', (error, { attempt }) => log(`failed    attempt ${attempt}: ${error}`))
  queue.on('buried', ({ attempts, error }) => log(`buried    after ${attempts} attempts: ${error}`))
  return worker
}

/** One of each thing that a task can be. */
export async function submitTasks(queue: Queue<Task>, log: Log): Promise<void> {
  const submit = async (task: Task, options?: EnqueueOptions): Promise<void> => {
    const { duplicate } = await queue.enqueue(task, options)
    log(`${duplicate ? 'known    ' : 'submitted'} ${task.text}`)
  }
  const mail = (text: string): Task => ({ kind: 'mail', customer: 'ada', text })
  await submit(mail('the newsletter'))
  await submit(mail('a password reset: goes first'), { priority: 9 })
  await submit(mail('a reminder: half a second later'), { delayMs: 500 })
  for (const text of ['invoice 1 of bob', 'invoice 2 of bob', 'invoice 3 of bob'])
    await submit({ kind: 'invoice', customer: 'bob', text }, { group: 'bob' })
  const report: Task = { kind: 'report', customer: 'eve', text: 'the report that fails each time' }
  await submit(report, { key: 'report-7' })
  await submit(report, { key: 'report-7' })
}

/** What one does once the cause is repaired: looks at the dead, and gives them another chance. */
export async function requeueDead(queue: Queue<Task>, log: Log): Promise<void> {
  for (const { value, error } of await queue.peek({ lane: 'dead' })) log(`dead      ${value.text}: ${error}`)
  const count = await queue.requeue()
  log(`requeued  ${count}`)
}
