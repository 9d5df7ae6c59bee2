import { mkdir, rename } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { isHoldfastError } from '@holdfast/core'
import { type Consumer, type Job, type Queue, startConsumer } from '@holdfast/queue'
import { fileBody, startUpload, type Upload } from '@holdfast/uplink'
import { unlessMissing } from './log-files.ts'
import type { OutboxFile } from './shipper.ts'

export interface UploadsOptions {
  queue: Queue<OutboxFile>
  url: string
  bytesPerSecond: number
}

/** Where an upload stands. */
export interface UploadState {
  file: string
  offset: number
  size: number
  /** Where it went on after the last cut, stop or death; undefined while it never had to. */
  resumedAt?: number
}

export interface Uploads extends Consumer {
  /** The one under way, or the last one; undefined before the first. */
  readonly latest: UploadState | undefined
}

/**
 * Uploads one file after another, each to its end.
 *
 * The checkpoint is kept in the queue, beside the message: whoever gets the job next,
 * this process or the one after a `kill -9`, goes on where the server has it until.
 */
export function startUploads({ queue, url, bytesPerSecond }: UploadsOptions): Uploads {
  let latest: UploadState | undefined
  const consumer = startConsumer(queue, upload)
  return {
    ...consumer,
    // An upload is not waited for at a stop: it goes on from its checkpoint.
    drain: () => consumer.close(),
    get latest() {
      return latest
    },
  }

  async function upload(job: Job<OutboxFile>, stop: AbortSignal): Promise<void> {
    const { path } = job.value
    const body = await fileBody(path).catch(unlessMissing)
    if (!body) return // moved on already: the process died before the job was acknowledged
    await using sending = await startUpload({
      ...{ url, body, metadata: { filename: basename(path) } },
      checkpoint: job.checkpoint,
      saveCheckpoint: (checkpoint) => job.setCheckpoint(checkpoint),
      rate: { max: bytesPerSecond, perMs: 1_000 },
      chunkBytes: 4 * 2 ** 20,
      backoff: { minMs: 100, maxMs: 5_000 },
    })
    latest = { file: basename(path), offset: 0, size: body.size }
    follow(sending, latest)
    const end = (): void => void sending.close()
    stop.addEventListener('abort', end, { once: true })
    if (stop.aborted) end()
    try {
      await sending.exited
      if (stop.aborted) await job.release()
      else await moveOn(path)
    } catch (error) {
      if (!isHoldfastError(error, 'UPLINK_REFUSED')) throw error
      await job.bury(error)
    } finally {
      stop.removeEventListener('abort', end)
    }
  }
}

function follow(sending: Upload, state: UploadState): void {
  sending.on('resumed', ({ offset }) => Object.assign(state, { offset, resumedAt: offset }))
  sending.on('progressed', ({ offset }) => Object.assign(state, { offset }))
}

async function moveOn(path: string): Promise<void> {
  const sent = join(dirname(path), 'sent')
  await mkdir(sent, { recursive: true })
  await rename(path, join(sent, basename(path)))
}
