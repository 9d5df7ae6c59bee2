import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { checkString } from '@holdfast/core'
import { type Context, openChunks } from '../context.ts'
import { canSyncFilesystem, syncFilesystem } from '../durable.ts'
import { snapshotError } from '../errors.ts'
import { createMeter } from '../progress.ts'
import type { OperationOptions } from '../snapshot.ts'
import { createContent } from './content.ts'
import { createFiles } from './files.ts'
import { fill } from './fill.ts'
import { planFile } from './plan.ts'
import { createSeed, noSeed } from './seed.ts'
import { selection } from './selection.ts'
import { checkTarget, makeSibling, swap } from './target.ts'

export interface RestoreOptions extends OperationOptions {
  /** Paths in the snapshot, such as `config/agent.yaml`; a folder's takes all below it. Everything by default. */
  include?: readonly string[]
  /** What to do where the target is there and not empty: refuse with TARGET_EXISTS, or put the restored folder in its place. @default 'never' */
  overwrite?: 'never' | 'replace'
  /** Gives files their former owners and set-id bits; needs root. @default false */
  owner?: boolean
  /** Whether all of it survives a power cut when the call resolves. @default true */
  fsync?: boolean
}

export interface RestoreResult {
  /** Where it is now. */
  readonly target: string
  readonly files: number
  readonly folders: number
  readonly restoredBytes: number
  /** Of them, what was found in the replaced target, checked like all else, and not read from the store. */
  readonly reusedBytes: number
  /** FIFOs, sockets and devices, which are never made again; up to a thousand. */
  readonly skippedPaths: readonly string[]
  readonly durationMs: number
}

/** For so few files an fsync of each costs less than one of all that the file system has to write. */
const leastFilesTogether = 64

/**
 * Writes a snapshot into a new folder beside the target and renames that when all of it is there.
 *
 * After any failure the target is what it was.
 */
export async function restore(
  context: Context,
  hex: string,
  target: string,
  options: RestoreOptions = {},
): Promise<RestoreResult> {
  const { clock, objects } = context
  const { signal, overwrite = 'never', owner = false, fsync = true, include } = options
  const begun = clock.now()
  const goal = resolve(checkString('target', target))
  const wanted = selection(include)
  const occupied = await checkTarget(goal, overwrite)
  const record = await objects.record(hex, signal)
  const { reader, index } = await openChunks(context, await objects.manifest(hex, signal), signal)
  const seed = occupied ? createSeed(goal, context.keys) : noSeed
  const meter = createMeter(options, clock, 'write', include ? undefined : record.bytes)
  const maxChunkBytes = context.format.chunker.maxBytes
  // Asked beforehand: not all that was written can be opened again for an fsync of its own.
  const together = fsync && record.files >= leastFilesTogether && (await canSyncFilesystem())
  const root = await makeSibling(goal)
  const given = { root, meter, owner, fsync: fsync && !together, signal }
  const content = createContent({ ...given, reader, maxChunkBytes })
  const files = createFiles(context, reader, { ...given, content, seed })
  try {
    const filled = await fill(root, record.root, reader, files, {
      ...given,
      wanted,
      planFile: (path, entry) => planFile(path, entry, index, maxChunkBytes),
    })
    meter.phase('commit')
    if (together && !(await syncFilesystem(root))) throw notSynced(goal)
    await swap(root, goal)
    meter.end()
    const figures = { files: meter.files, restoredBytes: meter.bytes, reusedBytes: seed.reusedBytes }
    return { target: goal, ...filled, ...figures, durationMs: clock.now() - begun }
  } catch (error) {
    await files.close()
    // Why it failed counts more than what cannot be removed, which a later process's restore removes.
    await rm(root, { recursive: true, force: true }).catch(() => {})
    throw error
  } finally {
    await files.close()
  }
}

function notSynced(goal: string): Error {
  return snapshotError('TARGET_FAILED', `could not sync the file system of ${goal}`, {
    fields: { path: goal },
  })
}
