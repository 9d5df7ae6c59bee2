import type { ChunkReader } from './chunks/chunk-reader.ts'
import { maxTreeBytes } from './context.ts'
import { atPath, snapshotError } from './errors.ts'
import { decodeTree, type FolderEntry, type TreeEntry } from './format/tree.ts'

/** An entry of a snapshot, with its path from the snapshot's root. */
export interface FoundEntry {
  readonly path: string
  readonly entry: TreeEntry
}

const deepest = 4_096

/** Walks a snapshot's folders, each before what is in it. Rejects with a coded error that names the path. */
export async function* walkSnapshot(
  reader: ChunkReader,
  root: Pick<FolderEntry, 'tree'>,
  {
    signal,
    enter = () => true,
  }: { signal?: AbortSignal | undefined; enter?: (path: string) => boolean } = {},
): AsyncGenerator<FoundEntry, void> {
  yield* below(root.tree, '', 0)

  async function* below(tree: string, path: string, depth: number): AsyncGenerator<FoundEntry, void> {
    signal?.throwIfAborted()
    if (depth > deepest) throw snapshotError('SNAPSHOT_REFUSED', `${path} is too deep`, { fields: { path } })
    for (const entry of await entriesOf(tree, path)) {
      const entryPath = path === '' ? entry.name : `${path}/${entry.name}`
      yield { path: entryPath, entry }
      if (entry.type === 'folder' && enter(entryPath)) yield* below(entry.tree, entryPath, depth + 1)
    }
  }

  async function entriesOf(tree: string, path: string): Promise<TreeEntry[]> {
    try {
      return decodeTree(await reader.read(tree, maxTreeBytes, signal))
    } catch (error) {
      throw atPath(error, path === '' ? '.' : path)
    }
  }
}
