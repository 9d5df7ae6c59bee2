import type { Context } from '../context.ts'
import { blobKey } from '../format/layout.ts'
import { createLanes } from '../lanes.ts'
import { createThreads } from '../threads/thread.ts'
import type { UnpackItem, WriteOrder } from '../threads/unpack.ts'
import type { ChunkReader } from './chunk-reader.ts'
import type { Run } from './runs.ts'

/** So little is not worth a thread's start. */
const least = { uses: 32, bytes: 4 << 20 }
const runsPerThread = 2

/** Opens chunks in threads, each checked against its id, and has them write what they are wanted for. */
export interface Unpacker<U> {
  /**
   * Goes through the runs, a few at a time, and has each use settled.
   *
   * Only what goes smoothly is done in threads. `done` is false for a use of a chunk that is damaged or
   * missing, what could not be written, and all where threads are not worth it or there are none:
   * `settle` does that again, and tells what is wrong. The first rejection of it ends all.
   */
  unpack(runs: readonly Run<U>[], settle: (use: U, done: boolean) => Promise<void> | void): Promise<void>
  /** Ends the threads. */
  close(): Promise<void>
}

export function createUnpacker<U>(
  { store, keys, threads: count, compression }: Pick<Context, 'store' | 'keys' | 'threads' | 'compression'>,
  reader: Pick<ChunkReader, 'packKey'>,
  /** What a use has written; undefined where the chunk is only to be checked. */
  orderOf: (use: U) => WriteOrder | undefined,
  signal?: AbortSignal,
): Unpacker<U> {
  const threads = createThreads(count, { idKey: keys.idKey, maxBytes: 0, compression })
  let started = false
  return { unpack, close: threads.close }

  async function unpack(
    runs: readonly Run<U>[],
    settle: (use: U, done: boolean) => Promise<void> | void,
  ): Promise<void> {
    started ||= count > 0 && isMuch(runs)
    const lanes = createLanes(Math.max(1, count * runsPerThread))
    try {
      for (const run of runs)
        await lanes.begin(async () => {
          signal?.throwIfAborted()
          const done = started ? await inThread(run) : undefined
          for (const [at, use] of usesOf(run).entries()) await settle(use, done?.[at] === 1)
        })
      await lanes.idle()
    } finally {
      await Promise.allSettled([lanes.idle()])
    }
  }

  /** A 1 for each use that is done; undefined where none is. */
  async function inThread(run: Run<U>): Promise<Uint8Array | undefined> {
    const pack = await load(run).catch(() => undefined) // Whose chunks are read one by one then.
    signal?.throwIfAborted()
    if (!pack) return undefined
    const { key, bytes } = pack
    try {
      const order = { kind: 'unpack' as const, key, items: JSON.stringify(itemsOf(run)), bytes }
      return await threads.leastBusy().ask(order, [bytes.buffer])
    } catch (error) {
      signal?.throwIfAborted()
      // A thread that died may have left half a file.
      if (usesOf(run).some((use) => orderOf(use) !== undefined)) throw error
      return undefined
    }
  }

  /** The part of the pack in memory of its own, for a thread to have: the store's may be in use elsewhere. */
  async function load({ pack, offset, length }: Run<U>): Promise<LoadedPart | undefined> {
    if (pack === undefined) return { key: undefined, bytes: new Uint8Array() }
    const [key, bytes] = await Promise.all([
      reader.packKey(pack, signal),
      store.get(blobKey(pack), { offset, length, signal }),
    ])
    return bytes?.length === length ? { key, bytes: new Uint8Array(bytes) } : undefined
  }

  function itemsOf({ offset, chunks }: Run<U>): UnpackItem[] {
    return chunks.map(({ at, uses }) => {
      const writes = uses.map((use) => orderOf(use) ?? null)
      if (!at) return { writes }
      const { id, storedLength, length, codec, ordinal } = at
      return { chunk: { id, offset: at.offset - offset, storedLength, length, codec, ordinal }, writes }
    })
  }
}

interface LoadedPart {
  readonly key: Uint8Array | undefined
  readonly bytes: Uint8Array<ArrayBuffer>
}

function usesOf<U>({ chunks }: Run<U>): U[] {
  return chunks.flatMap(({ uses }) => uses)
}

function isMuch(runs: readonly Run<unknown>[]): boolean {
  let [uses, bytes] = [0, 0]
  for (const run of runs)
    for (const chunk of run.chunks) {
      uses += chunk.uses.length
      bytes += chunk.at?.length ?? 0
    }
  return uses > least.uses || bytes > least.bytes
}
