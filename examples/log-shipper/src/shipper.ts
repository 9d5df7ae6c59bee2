import { basename, join } from 'node:path'
import { createAgent } from '@holdfast/agent'
import { openQueue, type Queue } from '@holdfast/queue'
import { startUplink } from '@holdfast/uplink'
import { startLogTail } from './log-tail.ts'
import { startOutbox } from './outbox.ts'
import { type Report, startProgress } from './progress.ts'
import { startUploads } from './uploads.ts'

/** What the collector gets of a line. */
export interface LogLine {
  file: string
  text: string
}

/** A file to upload. */
export interface OutboxFile {
  path: string
}

export interface LogShipperOptions {
  logFile: string
  /** What is moved into this folder is uploaded, then moved on to `sent` below it. */
  outbox: string
  /** Everything that must survive this process is below it. */
  stateFolder: string
  /** The collector's address, without a slash at the end: `/lines` takes lines, `/files` uploads. */
  collector: string
  /** At a peak no more than this, ≥ 10; the queue holds the rest. */
  linesPerSecond: number
  /** What uploads leave of the line is for the lines. */
  uploadBytesPerSecond: number
  /** Told of the progress ten times a second. */
  report?: Report
  /** Where the queues are; a test keeps them in memory. @default below `stateFolder` */
  queues?: Queues
}

export interface Queues {
  lines(): Promise<Queue<LogLine>>
  files(): Promise<Queue<OutboxFile>>
}

/** Both in one folder. A full queue of lines holds back the tail, and the log itself is the buffer. */
function queuesBelow(stateFolder: string): Queues {
  const folder = join(stateFolder, 'queue')
  return {
    lines: () => openQueue(folder, { name: 'lines', limits: { bytes: 1e9, onFull: 'block' } }),
    files: () => openQueue(folder, { name: 'files' }),
  }
}

/** The whole shipper: what it is made of, what needs what, and nothing else. */
export function createLogShipper(options: LogShipperOptions) {
  const { logFile, collector, stateFolder, report = () => undefined } = options
  const queues = options.queues ?? queuesBelow(stateFolder)
  const file = basename(logFile)
  return createAgent()
    .unit('lines', [], () => queues.lines())
    .unit('files', [], () => queues.files())
    .unit('uplink', ['lines'], ({ lines }) =>
      startUplink({
        queue: lines,
        url: `${collector}/lines`,
        // In small portions: no burst is longer than a tenth of a second's lines, nor is a batch.
        rate: { max: options.linesPerSecond / 10, perMs: 100 },
        backoff: { minMs: 100, maxMs: 5_000 },
        circuit: { failures: 5, openMs: 500, maxOpenMs: 5_000 },
      }),
    )
    .unit('uploads', ['files'], ({ files }) =>
      startUploads({ queue: files, url: `${collector}/files`, bytesPerSecond: options.uploadBytesPerSecond }),
    )
    .unit('tail', ['lines'], ({ lines }) =>
      startLogTail({
        path: logFile,
        positionFile: join(stateFolder, 'position.json'),
        accept: (text, key, signal) => lines.enqueue({ file, text }, { key, signal }),
      }),
    )
    .unit('outbox', ['files'], ({ files }) =>
      startOutbox({ folder: options.outbox, accept: (path, key) => files.enqueue({ path }, { key }) }),
    )
    .unit('progress', ['lines', 'uplink', 'uploads'], (units) => startProgress({ ...units, report }))
}
