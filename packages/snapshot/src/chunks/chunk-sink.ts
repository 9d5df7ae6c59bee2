import type { KnownChunks } from '../backup/known.ts'
import type { Context } from '../context.ts'
import { createLanes } from '../lanes.ts'
import { compress } from './codec.ts'
import { createPackWriter, type PackWriter } from './pack-writer.ts'

const chunksAtOnce = 6

/** Stores chunks, each once, compressing several at the same time. */
export interface ChunkSink {
  /** Resolves to the chunk's id once it is on its way. The bytes are the sink's from then on. Rejects once any chunk has failed. */
  store(bytes: Uint8Array): Promise<string>
  /** Resolves when all is durable. */
  finish(): Promise<void>
  /** Resolves, after a failure too, when nothing goes on any more. */
  settle(): Promise<void>
  readonly packs: Pick<PackWriter, 'written' | 'storedBytes'>
}

export function createChunkSink(
  { store, keys }: Context,
  known: Pick<KnownChunks, 'use' | 'parentPacks'>,
  signal?: AbortSignal,
): ChunkSink {
  const packs = createPackWriter(store, keys, known.parentPacks, signal)
  const lanes = createLanes(chunksAtOnce)
  const pending = new Set<string>()
  return {
    packs,
    async store(bytes) {
      signal?.throwIfAborted()
      const id = keys.chunkId(bytes)
      if (pending.has(id) || known.use(id)) return id
      pending.add(id)
      await lanes.begin(async () => packs.add(id, bytes.length, await compress(bytes)))
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
}
