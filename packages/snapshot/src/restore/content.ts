import { type FileHandle, open } from 'node:fs/promises'
import type { ChunkReader } from '../chunks/chunk-reader.ts'
import { solidRanges } from '../chunks/holes.ts'
import { fsPath } from '../format/names.ts'
import type { FileEntry } from '../format/tree.ts'
import type { Meter } from '../progress.ts'
import { modeOf, mtimeSeconds } from './attributes.ts'
import type { Piece, PlannedFile } from './plan.ts'
import type { SeedFile } from './seed.ts'

/** Writes files on this thread, each chunk checked before it is written. What goes wrong has a code. */
export interface Content {
  /** Makes the file, with nothing in it. */
  begin(file: PlannedFile): Promise<void>
  /** Writes one chunk to where it belongs. */
  part(file: PlannedFile, piece: Piece): Promise<void>
  /** Gives it all that it has besides its content. */
  finish(file: PlannedFile): Promise<void>
  /** All of these at once. What of it is in `before` is not read from the store. */
  whole(file: PlannedFile, before: SeedFile | undefined): Promise<void>
}

interface ContentOptions {
  readonly root: string
  readonly reader: ChunkReader
  readonly meter: Meter
  readonly maxChunkBytes: number
  readonly owner: boolean
  /** Whether each file is synced on its own. */
  readonly fsync: boolean
  readonly signal: AbortSignal | undefined
}

export function createContent(options: ContentOptions): Content {
  const { root, reader, meter, maxChunkBytes, owner, fsync, signal } = options
  return {
    begin: ({ path }) => withFile(path, 'wx', async () => {}),
    part: ({ path, entry }, piece) =>
      withFile(path, 'r+', (file) => writePiece(file, entry, piece, undefined)),
    finish: ({ path, entry }) => withFile(path, 'r+', (file) => complete(file, entry)),
    whole: ({ path, entry, pieces }, before) =>
      withFile(path, 'wx', async (file) => {
        for (const piece of pieces) await writePiece(file, entry, piece, before)
        await complete(file, entry)
      }),
  }

  async function withFile(
    path: string,
    flags: 'wx' | 'r+',
    operation: (file: FileHandle) => Promise<void>,
  ): Promise<void> {
    const file = await open(fsPath(`${root}/${path}`), flags, 0o600)
    try {
      await operation(file)
    } finally {
      await file.close()
    }
  }

  /** Nothing is written where the file has a hole. */
  async function writePiece(
    file: FileHandle,
    { sparse }: FileEntry,
    { at, position }: Piece,
    before: SeedFile | undefined,
  ): Promise<void> {
    const bytes = (await before?.find(at, position)) ?? (await reader.read(at.id, maxChunkBytes, signal))
    for (const [from, to] of sparse ? solidRanges(bytes) : [[0, bytes.length] as const])
      for (let done = from; done < to; )
        done += (await file.write(bytes, done, to - done, position + done)).bytesWritten
    meter.addBytes(bytes.length)
  }

  async function complete(file: FileHandle, entry: FileEntry): Promise<void> {
    if (entry.sparse) await file.truncate(entry.size)
    if (owner) await file.chown(entry.uid, entry.gid)
    await file.chmod(modeOf(entry, owner))
    await file.utimes(mtimeSeconds(entry), mtimeSeconds(entry))
    if (fsync) await file.sync()
    meter.addFile()
  }
}
