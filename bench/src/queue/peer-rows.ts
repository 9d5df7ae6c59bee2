import type { Row } from '../harness.ts'
import { beanstalkdThrough } from './beanstalkd.ts'
import { bullmqThrough } from './bullmq.ts'
import { enqueue, type Load, type Mode, payloadOf, takeAll, through } from './ours.ts'
import { missingPackage, missingServers } from './packages.ts'
import { plainjobThrough } from './plainjob.ts'
import { sqliteEnqueue, sqliteTakeAll } from './sqlite.ts'

type Measure = (folder: string, load: Load) => Promise<number>

interface Beside {
  readonly id: string
  readonly title: string
  readonly peer: string
  readonly mode: Mode
  readonly callers: number
  readonly size: number
  readonly target: number
  readonly count: number
  /** The peer's own, where it would take too long for as many. */
  readonly peerCount?: number
  readonly ours: Measure
  readonly theirs: Measure
  skip(): Promise<string | undefined>
}

const sizes = [256, 4_096]
const callerCounts = [1, 128, 1_024]

/** Other queues, each as durable as it gets and in one run with ours. */
export const peerRows: readonly Row[] = sizes.flatMap((size) => [
  ...callerCounts.flatMap((callers) => [
    sqliteEnqueueRow(size, callers, 'os', callers === 1 ? 0.5 : 1.5),
    sqliteEnqueueRow(size, callers, 'fsync', callers === 1 ? 0.5 : 1),
  ]),
  sqliteTakeRow(size, 'os'),
  sqliteTakeRow(size, 'fsync'),
  ...callerCounts.flatMap((callers) => [
    bullmqRow(size, callers),
    beanstalkdRow(size, callers),
    plainjobRow(size, callers),
  ]),
])

function sqliteEnqueueRow(size: number, callers: number, mode: Mode, target: number): Row {
  return beside({
    id: `sqlite-enqueue-${callers}-${mode}-${size}`,
    title: `enqueue, ${size} B, ${callers} in flight, ${mode}`,
    peer: `better-sqlite3, transactions of ${callers}, ${mode === 'fsync' ? 'FULL' : 'NORMAL'}`,
    count: callers > 1 ? 60_000 : mode === 'os' ? 10_000 : 1_000,
    ...{ mode, callers, size, target, ours: enqueue, theirs: sqliteEnqueue },
    skip: () => missingPackage('better-sqlite3'),
  })
}

function sqliteTakeRow(size: number, mode: Mode): Row {
  return beside({
    id: `sqlite-take-128-${mode}-${size}`,
    title: `take and acknowledge, ${size} B, batches of 128, ${mode}`,
    peer: `better-sqlite3, ${mode === 'fsync' ? 'FULL' : 'NORMAL'}`,
    ...{ mode, callers: 128, size, target: 2, count: 60_000, ours: takeAll, theirs: sqliteTakeAll },
    skip: () => missingPackage('better-sqlite3'),
  })
}

function bullmqRow(size: number, callers: number): Row {
  return beside({
    id: `bullmq-${callers}-${size}`,
    title: `through the queue, ${size} B, ${callers} callers, fsync`,
    peer: 'BullMQ, appendfsync always',
    count: callers > 1 ? 30_000 : 500,
    peerCount: callers > 1 ? 1_500 : 200,
    ...{ mode: 'fsync', callers, size, target: callers > 1 ? 20 : 1, ours: through, theirs: bullmqThrough },
    skip: async () => (await missingServers()) ?? (await missingPackage('bullmq')),
  })
}

function beanstalkdRow(size: number, callers: number): Row {
  return beside({
    id: `beanstalkd-${callers}-${size}`,
    title: `through the queue, ${size} B, ${callers} callers, fsync`,
    peer: 'beanstalkd -f 0',
    count: callers > 1 ? 30_000 : 500,
    peerCount: callers > 1 ? 1_500 : 200,
    ...{ mode: 'fsync', callers, size, target: callers > 1 ? 15 : 1, ours: through },
    theirs: beanstalkdThrough,
    skip: missingServers,
  })
}

function plainjobRow(size: number, callers: number): Row {
  return beside({
    id: `plainjob-${callers}-${size}`,
    title: `through the queue, ${size} B, ${callers} callers, os`,
    peer: 'plainjob, one call at a time',
    count: callers > 1 ? 30_000 : 3_000,
    peerCount: 3_000,
    ...{ mode: 'os', callers, size, target: 1, ours: through, theirs: plainjobThrough },
    skip: async () => (await missingPackage('better-sqlite3')) ?? (await missingPackage('plainjob')),
  })
}

function beside({ ours, theirs, peerCount, size, callers, mode, count, ...row }: Beside): Row {
  const loadOf = (messages: number): Load => ({ callers, mode, count: messages, bytes: payloadOf(size) })
  // A full run has many of these: those of 256 B are counted by messages, those of 4 KiB by bytes.
  const scale = size > 256 ? 4 : 1
  return {
    id: row.id,
    title: row.title,
    unit: 'messages/s',
    target: { of: 'ratio', is: '>=', value: row.target },
    quick: false,
    rounds: 3,
    skip: row.skip,
    ours: ({ folder }) => ours(folder, loadOf(Math.ceil(count / scale))),
    peer: {
      name: row.peer,
      measure: ({ folder }) => theirs(folder, loadOf(Math.ceil((peerCount ?? count) / scale))),
    },
  }
}
