import { createChunkSink } from '../chunks/chunk-sink.ts'
import type { Context } from '../context.ts'
import { createMeter, type Meter } from '../progress.ts'
import type { OperationOptions, Snapshot } from '../snapshot.ts'
import type { OpenSource, Source } from '../source/source.ts'
import { createThreads, type Threads } from '../threads/thread.ts'
import { createFolderLister, type FolderLister } from './folder-lister.ts'
import { type KnownChunks, loadKnown } from './known.ts'
import { publish } from './publish.ts'
import { createSmallFiles } from './small-files.ts'
import { attributesOf, createWalk } from './walk.ts'

export interface BackupOptions extends OperationOptions {
  /** What it is a snapshot of, such as `edge-7/queue`: a-z 0-9 with . _ - within, and slashes. */
  name: string
  /** Facts to find it by. */
  tags?: Readonly<Record<string, string>>
  /** Reads every file, also those that look unchanged since the last snapshot of that name. @default false */
  forceRead?: boolean
}

export interface BackupResult extends Snapshot {
  /** Taken over from the last snapshot, unread. */
  readonly unchangedFiles: number
  /** Up to a thousand. */
  readonly inconsistentPaths: readonly string[]
  /** Up to a thousand, each with the system's code or what went wrong. */
  readonly unreadablePaths: readonly { readonly path: string; readonly reason: string }[]
  readonly durationMs: number
}

/** Takes a snapshot: chunks into packs, then index, config, manifest, and the ref last. */
export async function backup(context: Context, source: Source, given: BackupOptions): Promise<BackupResult> {
  const { clock, store } = context
  const begun = clock.now()
  const threads = startThreads(context)
  const lister = createFolderLister(threads)
  const opened = await source.open({ clock, signal: given.signal, listFolder: lister.list })
  const signals = [given.signal, opened.lost].filter((signal) => signal !== undefined)
  const options = { ...given, signal: AbortSignal.any(signals) }
  try {
    const timeMs = Math.trunc(clock.wall())
    const storeMs = await store.now()
    const known = await loadKnown(context, options.name, storeMs, options.signal)
    const meter = createMeter(options, clock, 'read', opened.totalBytes ?? known.parent?.bytes)
    const { unchangedFiles, inconsistentPaths, unreadablePaths, written, ...read } = await readAll(
      { context, known, threads, lister, meter },
      opened,
      options,
    )
    meter.phase('commit')
    const { root, ...figures } = read
    const facts = { name: options.name, timeMs, tags: options.tags ?? {}, kind: source.kind, ...figures }
    const digest = await publish(context, { ...facts, root }, written, known, storeMs, options.signal)
    meter.end()
    const durationMs = clock.now() - begun
    return { ...facts, digest, unchangedFiles, inconsistentPaths, unreadablePaths, durationMs }
  } finally {
    await opened.close()
  }
}

interface ReadParts {
  readonly context: Context
  readonly known: KnownChunks
  readonly threads: Threads
  readonly lister: FolderLister
  readonly meter: Meter
}

/** Reads the whole source into packs. The threads end with it. */
async function readAll(
  parts: ReadParts,
  { root: source, indivisible = false }: OpenSource,
  { forceRead = false, signal }: BackupOptions,
) {
  const { context, known, threads } = parts
  const sink = createChunkSink(context, known, signal)
  const smallFiles = createSmallFiles(threads, context.format.chunker.minBytes, sink)
  const walk = createWalk({ ...parts, sink, smallFiles, indivisible, signal })
  try {
    const before = forceRead ? undefined : known.parent?.root.tree
    const tree = await walk.folder(source, '', before)
    await sink.finish()
    const { inconsistent, unreadable } = walk.findings
    const state: Snapshot['state'] = inconsistent + unreadable > 0 ? 'partial' : 'complete'
    const root = { ...attributesOf(source.attributes), tree }
    const { written, storedBytes } = sink.packs
    return { ...walk.findings, root, state, storedBytes, written }
  } finally {
    smallFiles.close()
    await threads.close()
    await sink.settle()
  }
}

function startThreads({ threads, keys, format, compression }: Context): Threads {
  return createThreads(threads, { idKey: keys.idKey, maxBytes: format.chunker.minBytes, compression })
}
