import type { Context } from '../context.ts'
import { createBatches } from '../threads/batches.ts'
import { createThreads } from '../threads/thread.ts'
import type { FileOrder, UnpackItem } from '../threads/unpack.ts'
import type { ChunkReader, SealedChunk } from './chunk-reader.ts'

/** So few chunks are not worth a thread's start. */
const leastItems = 32
const batchesPerThread = 2
/** About what a file counts for that has no content, in bytes. */
const emptyBytes = 1_000

/**
 * Opens small chunks in threads, many at a time, each checked against its id.
 *
 * Only what goes smoothly is done here. `false` stands for a chunk that is damaged, missing or not
 * small, a file that could not be written, and all where there are no threads: nothing of it is left.
 */
export interface Unpacker {
  /** Whether the chunk is whole. */
  check(id: string): Promise<boolean>
  /** Writes a new file of this one chunk, or of none. */
  write(id: string | undefined, file: FileOrder): Promise<boolean>
  close(): Promise<void>
}

interface Wanted {
  readonly sealed: SealedChunk | undefined
  readonly file: FileOrder | undefined
}

export function createUnpacker(
  { keys, threads: count }: Pick<Context, 'keys' | 'threads'>,
  reader: ChunkReader,
  signal?: AbortSignal,
): Unpacker {
  const threads = createThreads(count, { idKey: keys.idKey, maxBytes: 0 })
  const limits = { items: 100, bytes: 2 << 20, atOnce: count * batchesPerThread }
  const batches = createBatches(limits, unpackAll)
  let seen = 0
  return {
    check: (id) => add(id, undefined),
    write: add,
    async close() {
      batches.close()
      await threads.close()
    },
  }

  async function add(id: string | undefined, file: FileOrder | undefined): Promise<boolean> {
    seen += 1
    if (count === 0 || seen <= leastItems) return false
    const sealed = id === undefined ? undefined : await reader.sealed(id, signal).catch(() => undefined)
    if (id !== undefined && !sealed) return false
    return batches.add({ sealed, file }, sealed?.at.length ?? emptyBytes)
  }

  async function unpackAll(wanted: readonly Wanted[]): Promise<boolean[]> {
    const packKeys = [...new Set(wanted.map(({ sealed }) => sealed?.packKey))]
    const items = wanted.map(({ sealed, file }): UnpackItem => {
      if (!sealed) return { ...(file && { file }) }
      const { id, ordinal, codec, length, storedLength } = sealed.at
      const chunk = { id, ordinal, codec, length, storedLength, key: packKeys.indexOf(sealed.packKey) }
      return { chunk, ...(file && { file }) }
    })
    const bytes = new Uint8Array(Buffer.concat(wanted.map(({ sealed }) => sealed?.bytes ?? new Uint8Array())))
    const order = { kind: 'unpack' as const, keys: packKeys, items: JSON.stringify(items), bytes }
    try {
      const done = await threads.leastBusy().ask(order, [bytes.buffer])
      return wanted.map((_, at) => done[at] === 1)
    } catch (error) {
      // A thread that died may have left half a file.
      if (wanted.some(({ file }) => file)) throw error
      return wanted.map(() => false)
    }
  }
}
