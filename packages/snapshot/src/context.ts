import type { Clock } from '@holdfast/core'
import { type ChunkIndex, createChunkIndex } from './chunks/chunk-index.ts'
import { type ChunkReader, createChunkReader } from './chunks/chunk-reader.ts'
import type { Cut } from './chunks/chunker.ts'
import type { Compression } from './chunks/codec.ts'
import { type Format, parseRef, type Ref } from './format/layout.ts'
import type { Manifest } from './format/manifest.ts'
import type { Keys } from './keys/keys.ts'
import type { Objects } from './objects.ts'
import type { BlobStore } from './store/store.ts'

/** What every operation of one open repository works with. */
export interface Context {
  readonly store: BlobStore
  readonly format: Format
  readonly keys: Keys
  readonly objects: Objects
  readonly cut: Cut
  readonly clock: Clock
  /** How many threads an operation starts, at most. */
  readonly threads: number
  /** Of what is stored from now on. */
  readonly compression: Compression
}

/** Trees longer than this are refused: about a million entries in one folder. */
export const maxTreeBytes: number = 512 << 20

/** All refs, of one name if given, from the oldest to the newest. */
export async function listRefs(store: BlobStore, name?: string, signal?: AbortSignal): Promise<Ref[]> {
  const refs: Ref[] = []
  for await (const { key } of store.list(name === undefined ? 'refs/' : `refs/${name}/`, { signal })) {
    const ref = parseRef(key)
    if (ref && (name === undefined || ref.name === name)) refs.push(ref)
  }
  return refs.sort((a, b) => a.timeMs - b.timeMs || (a.key < b.key ? -1 : 1))
}

/** Where a snapshot's chunks are, and a reader of them. */
export async function openChunks(
  { store, keys, objects }: Context,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<{ index: ChunkIndex; reader: ChunkReader }> {
  const index = createChunkIndex()
  for await (const listing of objects.listings(manifest, signal)) index.add(listing)
  return { index, reader: createChunkReader(store, keys, index) }
}
