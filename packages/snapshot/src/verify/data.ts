import { locateChunk } from '../chunks/chunk-index.ts'
import { createRunPlan } from '../chunks/runs.ts'
import { createUnpacker } from '../chunks/unpacker.ts'
import { type Context, openChunks } from '../context.ts'
import { atPath } from '../errors.ts'
import type { Manifest, SnapshotRecord } from '../format/manifest.ts'
import { createLanes } from '../lanes.ts'
import type { Meter } from '../progress.ts'
import { walkSnapshot } from '../walk-snapshot.ts'
import type { Problems } from './problems.ts'
import type { Sample } from './sample.ts'

/** A chunk, and the first file that needs it. */
interface Use {
  readonly id: string
  readonly path: string
}

/** So many chunks are planned at a time, while as many are under way: in about 3 MB. */
const plannedUses = 4_096

/** Looks whether every folder, and every chunk of files that is in the sample, is what its id says: pack by pack, each chunk once. */
export async function checkData(
  context: Context,
  manifest: Manifest,
  { root, bytes }: SnapshotRecord,
  sample: Sample,
  problems: Problems,
  meter: Meter,
  signal: AbortSignal | undefined,
): Promise<void> {
  const opened = await problems.attempt(() => openChunks(context, manifest, signal))
  if (!opened) return
  const { reader, index } = opened
  // As if no two files shared a chunk.
  meter.expect(Math.round(bytes / sample.parts))
  const maxBytes = context.format.chunker.maxBytes
  const seen = new Uint8Array(index.size)
  const absent = new Set<string>()
  const plan = createRunPlan<Use>()
  const sections = createLanes(1)
  const unpacker = createUnpacker<Use>(context, reader, () => undefined, signal)
  try {
    await problems.attempt(async () => {
      for await (const { path, entry } of walkSnapshot(reader, root, { signal }))
        if (entry.type === 'file') for (const id of entry.chunks) await want(id, path)
    })
    await flush()
    await sections.idle()
  } finally {
    await Promise.allSettled([sections.idle()])
    await unpacker.close()
  }

  async function want(id: string, path: string): Promise<void> {
    if (!sample.has(id) || !isFirst(id)) return
    await problems.attempt(() =>
      at(path, async () => plan.want(locateChunk(index, id, maxBytes), { id, path })),
    )
    if (plan.size >= plannedUses) await flush()
  }

  function isFirst(id: string): boolean {
    const number = index.numberOf(id)
    const before = number === undefined ? absent.has(id) : seen[number] === 1
    if (number === undefined) absent.add(id)
    else seen[number] = 1
    return !before
  }

  /** Begins with what was planned, while more is. */
  async function flush(): Promise<void> {
    const runs = plan.take()
    await sections.begin(() => unpacker.unpack(runs, settle))
  }

  async function settle({ id, path }: Use, done: boolean): Promise<void> {
    const read = () => at(path, () => reader.read(id, maxBytes, signal))
    if (!done && !(await problems.attempt(read))) return
    meter.addBytes(index.find(id)!.length)
    meter.addFile()
  }
}

async function at<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw atPath(error, path)
  }
}
