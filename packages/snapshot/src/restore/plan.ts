import { type ChunkIndex, type ChunkLocation, locateChunk } from '../chunks/chunk-index.ts'
import type { FileEntry } from '../format/tree.ts'
import { refused } from '../format/tree.ts'

/** A file that is to be restored, and where each of its chunks belongs in it. */
export interface PlannedFile {
  readonly path: string
  readonly entry: FileEntry
  readonly pieces: readonly Piece[]
}

export interface Piece {
  readonly at: ChunkLocation
  /** In the file, in bytes. */
  readonly position: number
}

/** Says where all of a file is, before any of it is read. Throws OBJECT_MISSING, or SNAPSHOT_REFUSED where its chunks do not make its size. */
export function planFile(
  path: string,
  entry: FileEntry,
  index: ChunkIndex,
  maxChunkBytes: number,
): PlannedFile {
  let position = 0
  const pieces = entry.chunks.map((id): Piece => {
    const piece = { at: locateChunk(index, id, maxChunkBytes), position }
    position += piece.at.length
    return piece
  })
  if (position !== entry.size) throw refused(`its chunks are not of ${entry.size} bytes`)
  return { path, entry, pieces }
}
