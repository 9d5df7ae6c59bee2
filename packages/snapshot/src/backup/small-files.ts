import type { ChunkSink } from '../chunks/chunk-sink.ts'
import type { Compressed } from '../chunks/codec.ts'
import type { FileAttributes } from '../source/source.ts'
import { createBatches } from '../threads/batches.ts'
import type { CompressedBatch } from '../threads/program.ts'
import type { ReadFile } from '../threads/read-files.ts'
import type { Thread, Threads } from '../threads/thread.ts'

/** So few files are not worth a thread's start. */
const leastFiles = 32
const batchesPerThread = 2

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
  /** Files up to this size, in bytes, are small; none is where it is below 0. */
  readonly maxBytes: number
  store(path: string, expectedBytes: number): Promise<StoredFile | undefined>
  /** Nothing is begun any more. */
  close(): void
}

export function createSmallFiles(
  threads: Threads,
  maxBytes: number,
  sink: Pick<ChunkSink, 'claim' | 'add'>,
): SmallFiles {
  const limits = { items: 100, bytes: 2 << 20, atOnce: Math.max(1, threads.count * batchesPerThread) }
  const batches = createBatches(limits, storeAll)
  let seen = 0
  let numbers = 0
  return {
    maxBytes: threads.count > 0 ? maxBytes : -1,
    async store(path, expectedBytes) {
      seen += 1
      return seen > leastFiles ? batches.add(path, expectedBytes) : undefined
    },
    close: batches.close,
  }

  /** A thread that dies before any chunk is claimed has stored nothing; after that the backup must fail. */
  async function storeAll(paths: readonly string[]): Promise<(StoredFile | undefined)[]> {
    const thread = threads.leastBusy()
    const batch = numbers++
    const files = await readIn(thread, batch, paths)
    if (!files) return paths.map(() => undefined)
    const wanted = [...files.keys()].filter((at) => isNew(files[at]))
    const compressed = apart(await thread.ask({ kind: 'compress', batch, wanted }))
    for (const [place, at] of wanted.entries())
      await sink.add(files[at]!.id, files[at]!.size, compressed[place]!)
    return files.map((file) => storedFile(file))
  }

  function isNew(file: ReadFile | undefined): boolean {
    return Boolean(file && file.size > 0 && sink.claim(file.id))
  }
}

async function readIn(
  thread: Thread,
  batch: number,
  paths: readonly string[],
): Promise<readonly ReadFile[] | undefined> {
  const answer = await thread.ask({ kind: 'read', batch, paths }).catch(() => undefined)
  return answer === undefined ? undefined : JSON.parse(answer)
}

function storedFile(file: ReadFile): StoredFile | undefined {
  if (!file) return undefined
  return { attributes: file.attributes, size: file.size, chunks: file.size > 0 ? [file.id] : [] }
}

function apart({ bytes, chunks }: CompressedBatch): Compressed[] {
  let end = 0
  return chunks.map(({ codec, length }) => {
    end += length
    return { codec, bytes: bytes.subarray(end - length, end) }
  })
}
