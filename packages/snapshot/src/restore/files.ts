import type { ChunkReader } from '../chunks/chunk-reader.ts'
import { createRunPlan } from '../chunks/runs.ts'
import { createUnpacker } from '../chunks/unpacker.ts'
import type { Context } from '../context.ts'
import type { FileEntry } from '../format/tree.ts'
import { createLanes } from '../lanes.ts'
import type { Meter } from '../progress.ts'
import type { WriteOrder } from '../threads/unpack.ts'
import { modeOf, mtimeSeconds } from './attributes.ts'
import type { Content } from './content.ts'
import type { Piece, PlannedFile } from './plan.ts'
import type { Seed } from './seed.ts'
import { named } from './target-error.ts'

/** Restores files: many are planned, then their packs are read in order and their chunks written by threads. */
export interface Files {
  /** Takes a file. It is there, whole, when `finish` has resolved. */
  add(file: PlannedFile): Promise<void>
  finish(): Promise<void>
  /** Ends what goes on, the threads too: after it nothing is written any more. */
  close(): Promise<void>
}

/** What a chunk is wanted for: a piece of a file in pieces, or a file that is no more than it. */
interface Use {
  readonly file: PlannedFile
  readonly piece: Piece | undefined
}

interface FilesOptions {
  readonly root: string
  readonly content: Content
  readonly seed: Seed
  readonly meter: Meter
  readonly owner: boolean
  readonly fsync: boolean
  readonly signal: AbortSignal | undefined
  /** How many uses of chunks are planned at a time, while as many are under way. @default 4_096, in about 3 MB */
  readonly plannedUses?: number
}

const filesAtOnce = 8

export function createFiles(context: Context, reader: ChunkReader, options: FilesOptions): Files {
  const { root, content, seed, meter, owner, fsync, signal, plannedUses = 4_096 } = options
  const unpacker = createUnpacker(context, reader, orderOf, signal)
  const plan = createRunPlan<Use>()
  const lanes = createLanes(filesAtOnce)
  /** Of those that were planned together: one goes on while the next is planned. */
  const sections = createLanes(1)
  /** How many pieces are still to come, of files that have some already or wait for them. */
  const missing = new Map<PlannedFile, number>()
  return { add, finish, close }

  async function add(file: PlannedFile): Promise<void> {
    await lanes.begin(() => guarded(file, () => begin(file)))
    if (plan.size >= plannedUses) await flush()
  }

  async function begin(file: PlannedFile): Promise<void> {
    const before = await seed.open(file.path, file.entry.size)
    if (before) return content.whole(file, before).finally(before.close)
    if (context.threads === 0) return content.whole(file, undefined)
    if (isOneWrite(file.entry)) return plan.want(file.pieces[0]?.at, { file, piece: undefined })
    await content.begin(file)
    missing.set(file, file.pieces.length)
    for (const piece of file.pieces) plan.want(piece.at, { file, piece })
    if (file.pieces.length === 0) await content.finish(file)
  }

  /** Whether a thread can write all of it in one go. */
  function isOneWrite({ chunks, sparse }: FileEntry): boolean {
    return chunks.length <= 1 && !sparse && !fsync
  }

  async function flush(): Promise<void> {
    await lanes.idle()
    const runs = plan.take()
    await sections.begin(() =>
      unpacker.unpack(runs, (use, done) => guarded(use.file, () => settle(use, done))),
    )
  }

  async function finish(): Promise<void> {
    await flush()
    await sections.idle()
  }

  async function close(): Promise<void> {
    await Promise.allSettled([lanes.idle(), sections.idle()])
    await unpacker.close()
  }

  /** What a thread could not do is done here, where it can be told what is wrong. */
  async function settle({ file, piece }: Use, done: boolean): Promise<void> {
    if (!piece && !done) return content.whole(file, undefined)
    if (piece && !done) await content.part(file, piece)
    else meter.addBytes(piece?.at.length ?? file.entry.size)
    if (!piece) return meter.addFile()
    const left = missing.get(file)! - 1
    missing.set(file, left)
    if (left > 0) return
    missing.delete(file)
    await content.finish(file)
  }

  function orderOf({ file, piece }: Use): WriteOrder {
    const { path, entry } = file
    const at = `${root}/${path}`
    if (piece) return { path: at, position: piece.position, sparse: entry.sparse === true }
    const attributes = { mode: modeOf(entry, owner), mtimeSeconds: mtimeSeconds(entry) }
    const order = { path: at, size: entry.size, ...attributes }
    return owner ? { ...order, owner: [entry.uid, entry.gid] } : order
  }

  function guarded(file: PlannedFile, operation: () => Promise<void>): Promise<void> {
    signal?.throwIfAborted()
    return named(file.path, operation)
  }
}
