import { locateChunk } from '../chunks/chunk-index.ts'
import { createRunPlan } from '../chunks/runs.ts'
import { createUnpacker } from '../chunks/unpacker.ts'
import { type Context, openChunks } from '../context.ts'
import { atPath } from '../errors.ts'
import type { Manifest, SnapshotRecord } from '../format/manifest.ts'
import type { Meter } from '../progress.ts'
import { walkSnapshot } from '../walk-snapshot.ts'
import type { Problems } from './problems.ts'
import type { Sample } from './sample.ts'

/** A chunk, and the first file that needs it. */
interface Use {
  readonly id: string
  readonly path: string
}

/** So many chunks are looked for at a time: in about 20 MB. */
const plannedUses = 32_768

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
  const unpacker = createUnpacker<Use>(context, reader, () => undefined, signal)
  try {
    await problems.attempt(async () => {
      for await (const { path, entry } of walkSnapshot(reader, root, { signal }))
        if (entry.type === 'file') for (const id of entry.chunks) await want(id, path)
    })
    await flush()
  } finally {
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

  function flush(): Promise<void> {
    return unpacker.unpack(plan.take(), async ({ id, path }, done) => {
      if (!done && !(await problems.attempt(() => at(path, () => reader.read(id, maxBytes, signal))))) return
      meter.addBytes(index.find(id)!.length)
      meter.addFile()
    })
  }
}

async function at<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw atPath(error, path)
  }
}
