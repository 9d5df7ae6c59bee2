import { createChunkIndex } from '../chunks/chunk-index.ts'
import { type ChunkReader, createChunkReader } from '../chunks/chunk-reader.ts'
import { type Context, maxTreeBytes } from '../context.ts'
import { atPath, snapshotError } from '../errors.ts'
import { type Descriptor, digestOf } from '../format/manifest.ts'
import { decodeTree } from '../format/tree.ts'

/** Which chunks snapshots need, in about 70 bytes of memory for each chunk there is. */
export interface NeededChunks {
  has(id: string): boolean
  /** Of every chunk of these packs. */
  readonly reader: ChunkReader
}

/** Walks the folders under these roots, each different one once. Rejects with a coded error where any of it is damaged. */
export async function markNeeded(
  { store, keys, objects }: Context,
  layers: { packs: readonly Descriptor[]; indexes: readonly Descriptor[] },
  roots: readonly string[],
  signal?: AbortSignal,
): Promise<NeededChunks> {
  const index = createChunkIndex()
  const unlisted = new Set(layers.packs.map(digestOf))
  for await (const listing of objects.listings(layers, signal))
    if (unlisted.delete(listing.pack)) index.add(listing)
  for (const pack of unlisted)
    throw snapshotError('OBJECT_MISSING', `no index lists sha256:${pack}`, {
      fields: { digest: `sha256:${pack}` },
    })
  const reader = createChunkReader(store, keys, index)
  const needed = new Uint8Array(index.size)
  // Apart from the above: a file may have the very bytes of a tree.
  const walked = new Uint8Array(index.size)
  for (const root of roots) await walk(root)
  return { has: (id) => needed[index.numberOf(id) ?? -1] === 1, reader }

  async function walk(root: string): Promise<void> {
    const pending = [{ tree: root, path: '.' }]
    for (let next = pending.pop(); next; next = pending.pop()) {
      signal?.throwIfAborted()
      if (walked[mark(next.tree)] === 1) continue
      for (const entry of await entriesOf(next.tree, next.path)) {
        if (entry.type === 'file') entry.chunks.forEach(mark)
        if (entry.type === 'folder') pending.push({ tree: entry.tree, path: `${next.path}/${entry.name}` })
      }
      walked[mark(next.tree)] = 1
    }
  }

  async function entriesOf(tree: string, path: string) {
    try {
      return decodeTree(await reader.read(tree, maxTreeBytes, signal))
    } catch (error) {
      throw atPath(error, path)
    }
  }

  function mark(id: string): number {
    const number = index.numberOf(id)
    if (number === undefined)
      throw snapshotError('OBJECT_MISSING', `chunk ${id} is in no pack of any snapshot`, {
        fields: { chunk: id },
      })
    needed[number] = 1
    return number
  }
}
