import type { KnownChunks } from '../backup/known.ts'
import type { Context } from '../context.ts'
import { createLanes } from '../lanes.ts'
import { type Compressed, compress } from './codec.ts'
import { createPackWriter, type PackWriter } from './pack-writer.ts'

const chunksAtOnce = 6

/** Stores chunks, each once, compressing several at the same time. */
export interface ChunkSink {
  /** Resolves to the chunk's id once it is on its way. The bytes are the sink's from then on. Rejects once any chunk has failed. */
  store(bytes: Uint8Array): Promise<string>
  /** Whether a chunk is yet to be stored; who gets a yes must `add` it, or the backup must fail. */
  claim(id: string): boolean
  /** Takes a chunk that was claimed. Its bytes are the sink's from then on. */
  add(id: string, length: number, compressed: Compressed): Promise<void>
  /** Resolves when all is durable. */
  finish(): Promise<void>
  /** Resolves, after a failure too, when nothing goes on any more. */
  settle(): Promise<void>
  readonly packs: Pick<PackWriter, 'written' | 'storedBytes'>
}

export function createChunkSink(
  { store, keys, compression }: Context,
  known: Pick<KnownChunks, 'use' | 'parentPacks'>,
  signal?: AbortSignal,
): ChunkSink {
  const packs = createPackWriter(store, keys, known.parentPacks, signal)
  const lanes = createLanes(chunksAtOnce)
  const pending = new Set<string>()
  return {
    packs,
    claim,
    add: packs.add,
    async store(bytes) {
      signal?.throwIfAborted()
      const id = keys.chunkId(bytes)
      if (claim(id))
        await lanes.begin(async () => packs.add(id, bytes.length, await compress(compression, bytes)))
      return id
    },
    async finish() {
      await lanes.idle()
      await packs.finish()
    },
    async settle() {
      await Promise.allSettled([lanes.idle()])
      await packs.settle()
    },
  }

  function claim(id: string): boolean {
    if (pending.has(id) || known.use(id)) return false
    pending.add(id)
    return true
  }
}
