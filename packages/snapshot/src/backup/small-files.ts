import type { ChunkSink } from '../chunks/chunk-sink.ts'
import type { Context } from '../context.ts'
import { createLanes } from '../lanes.ts'
import type { FileAttributes } from '../source/source.ts'
import { startThread, type Thread } from './thread.ts'
import type { ReadFile } from './thread-program.ts'

const filesPerBatch = 100
const bytesPerBatch = 2 << 20
const batchesPerThread = 2
/** So few files are not worth a thread's start. */
const leastFiles = 32

export interface StoredFile {
  readonly attributes: FileAttributes
  readonly size: number
  readonly chunks: readonly string[]
}

/**
 * Reads small files in threads, many at a time, and stores each as one chunk.
 *
 * Only what goes smoothly is done here: undefined for a file that cannot be read, changes
 * meanwhile or is not small any more, and for all where there are no threads.
 */
export interface SmallFiles {
  /** Files up to this size, in bytes, are small. */
  readonly maxBytes: number
  store(path: string, expectedBytes: number): Promise<StoredFile | undefined>
  /** Ends the threads. */
  close(): Promise<void>
}

interface Waiting {
  readonly path: string
  readonly bytes: number
  resolve(stored: StoredFile | undefined): void
  reject(error: unknown): void
}

export function createSmallFiles(
  { keys, format, threads }: Pick<Context, 'keys' | 'format' | 'threads'>,
  sink: Pick<ChunkSink, 'claim' | 'add'>,
): SmallFiles {
  const maxBytes = threads > 0 ? format.chunker.minBytes : 0
  const running: Thread[] = []
  const lanes = createLanes(threads * batchesPerThread)
  let waiting: Waiting[] = []
  let waitingBytes = 0
  let seen = 0
  let flushing: NodeJS.Immediate | undefined
  return { maxBytes, store, close }

  async function store(path: string, expectedBytes: number): Promise<StoredFile | undefined> {
    seen += 1
    if (seen <= leastFiles) return undefined
    return new Promise((resolve, reject) => {
      waiting.push({ path, bytes: expectedBytes, resolve, reject })
      waitingBytes += expectedBytes
      if (waiting.length >= filesPerBatch || waitingBytes >= bytesPerBatch) flush()
      else flushing ??= setImmediate(flush)
    })
  }

  /** Sends off what is waiting. What comes in the same turn of the event loop goes together. */
  function flush(): void {
    clearImmediate(flushing)
    flushing = undefined
    const batch = waiting
    waiting = []
    waitingBytes = 0
    if (batch.length === 0) return
    lanes.begin(() => storeBatch(batch)).catch((error: unknown) => rejectAll(batch, error))
  }

  async function storeBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const { files, compress } = await leastBusy().read(batch.map(({ path }) => path))
      const wanted = [...files.keys()].filter((at) => isNew(files[at]))
      const compressed = await compress(wanted)
      for (const [place, at] of wanted.entries())
        await sink.add(files[at]!.id, files[at]!.size, compressed[place]!)
      for (const [at, { resolve }] of batch.entries()) resolve(storedFile(files[at]))
    } catch (error) {
      rejectAll(batch, error)
      throw error
    }
  }

  function isNew(file: ReadFile): boolean {
    return file !== undefined && file.size > 0 && sink.claim(file.id)
  }

  function leastBusy(): Thread {
    const idle = running.find(({ busy }) => busy === 0)
    if (!idle && running.length < threads) {
      running.push(startThread({ idKey: keys.idKey, maxBytes }))
      return running.at(-1)!
    }
    return running.reduce((least, thread) => (thread.busy < least.busy ? thread : least))
  }

  async function close(): Promise<void> {
    clearImmediate(flushing)
    for (const thread of running) await thread.close()
  }
}

function storedFile(file: ReadFile): StoredFile | undefined {
  return file && { attributes: file.attributes, size: file.size, chunks: file.size > 0 ? [file.id] : [] }
}

function rejectAll(batch: readonly Waiting[], error: unknown): void {
  for (const { reject } of batch) reject(error)
}
