import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isHoldfastError } from '@holdfast/core'
import { createUnpacker } from '../chunks/unpacker.ts'
import { type Context, maxTreeBytes, openChunks } from '../context.ts'
import { atPath, type SnapshotErrorCode, snapshotError } from '../errors.ts'
import { blobKey } from '../format/layout.ts'
import { type Descriptor, digestOf, type Manifest } from '../format/manifest.ts'
import { createLanes } from '../lanes.ts'
import { corrupt, missing } from '../objects.ts'
import { createMeter, type Meter } from '../progress.ts'
import { restore } from '../restore/restore.ts'
import type { OperationOptions } from '../snapshot.ts'
import { walkSnapshot } from '../walk-snapshot.ts'

/**
 * How deep to look, each level including the ones before, but for `drill`, which includes `data`:
 * - `structure`: every object is there, of its size, and can be parsed;
 * - `bytes`: every object hashes to its digest; needs no key;
 * - `data`: every chunk can be decrypted, decompressed, and is what its id says;
 * - `drill`: the snapshot is restored to a scratch folder, and your `probe` is asked.
 */
export type VerifyLevel = 'structure' | 'bytes' | 'data' | 'drill'

export interface VerifyOptions extends OperationOptions {
  /** @default 'data' */
  level?: VerifyLevel
  /** `k/n`: looks only at the k-th of n parts of the objects (`bytes`) or the files' chunks (`data`); n runs see all. */
  sample?: string
  /** For `drill`: looks at the restored folder, and throws if it is not as it should be. */
  probe?: (folder: string, signal: AbortSignal | undefined) => Promise<void>
  /** Where `drill` restores to. @default the system's temporary folder */
  scratch?: string
}

export interface VerifyReport {
  readonly level: VerifyLevel
  /** How many objects, and bytes of them or of files, were looked at. */
  readonly objects: number
  readonly bytes: number
  readonly durationMs: number
}

/** One thing that is wrong. */
export interface Problem {
  readonly code: string
  readonly message: string
  /** Where it is known. */
  readonly path?: string
  readonly digest?: string
}

const listedProblems = 1_000
const readsAtOnce = 4
const smallReadsAtOnce = 512
const readBytes = 4 << 20

/** Resolves when all that was looked at is whole; rejects with SNAPSHOT_DAMAGED, whose field `problems` lists what is not. */
export async function verify(
  context: Context,
  hex: string,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const { level = 'data', signal } = options
  const begun = context.clock.now()
  const meter = createMeter(options, context.clock, 'verify')
  const sample = parseSample(options.sample)
  const inSample = sampler(sample)
  const problems: Problem[] = []
  const manifest = await attempt(() => context.objects.manifest(hex, signal))
  if (manifest) {
    await attempt(() => context.objects.record(hex, signal))
    await structure(manifest)
    if (level === 'bytes') await bytes(manifest)
    if (level === 'data' || level === 'drill') await data(manifest)
    if (level === 'drill' && problems.length === 0) await attempt(() => drill(context, hex, options))
  }
  meter.end()
  if (problems.length > 0) throw damaged(hex, problems)
  return { level, objects: meter.files, bytes: meter.bytes, durationMs: context.clock.now() - begun }

  async function structure(manifest: Manifest): Promise<void> {
    for (const layer of [...manifest.packs, ...manifest.indexes])
      await attempt(async () => {
        const found = await context.store.stat(blobKey(digestOf(layer)), { signal })
        if (!found) throw missing(digestOf(layer), context.store)
        if (found.size !== layer.size) throw wrongSize(layer, found.size)
        if (level !== 'bytes') meter.addFile()
      })
    await attempt(async () => {
      const listed = new Set<string>()
      for await (const { pack } of context.objects.listings(manifest, signal)) listed.add(pack)
      for (const pack of manifest.packs)
        if (!listed.has(digestOf(pack)))
          throw snapshotError('OBJECT_MISSING', `no index lists ${pack.digest}`, {
            fields: { digest: pack.digest },
          })
    })
  }

  async function bytes(manifest: Manifest): Promise<void> {
    const lanes = createLanes(readsAtOnce)
    const layers = [...manifest.packs, ...manifest.indexes, manifest.config].filter((layer) =>
      inSample(digestOf(layer)),
    )
    meter.expect(layers.reduce((sum, { size }) => sum + size, 0))
    for (const layer of layers)
      await lanes.begin(async () => void (await attempt(() => hashBlob(context, layer, meter, signal))))
    await lanes.idle()
  }

  async function data(manifest: Manifest): Promise<void> {
    const opened = await attempt(() => openChunks(context, manifest, signal))
    const record = await attempt(() => context.objects.record(hex, signal))
    if (!opened || !record) return
    // As if no two files shared a chunk.
    meter.expect(Math.round(record.bytes / sample.parts))
    const seen = new Set<string>()
    const lanes = createLanes(readsAtOnce)
    const small = createLanes(smallReadsAtOnce)
    const unpacker = createUnpacker(context, opened.reader, signal)
    try {
      await attempt(async () => {
        for await (const { path, entry } of walkSnapshot(opened.reader, record.root, { signal }))
          for (const id of entry.type === 'file' ? entry.chunks : []) {
            if (seen.has(id) || !inSample(id)) continue
            seen.add(id)
            await small.begin(() => checkChunk(id, path))
          }
      })
    } finally {
      await Promise.allSettled([small.idle()])
      await unpacker.close()
    }
    await Promise.all([small.idle(), lanes.idle()])

    async function checkChunk(id: string, path: string): Promise<void> {
      if (await unpacker.check(id)) count(opened!.index.find(id)?.length ?? 0)
      else await lanes.begin(async () => void (await attempt(() => check(id, path))))
    }

    function count(bytes: number): void {
      meter.addBytes(bytes)
      meter.addFile()
    }

    async function check(id: string, path: string): Promise<void> {
      try {
        count((await opened!.reader.read(id, maxTreeBytes, signal)).length)
      } catch (error) {
        throw atPath(error, path)
      }
    }
  }

  /** Takes note of a damage and goes on; every other failure, such as of the store, ends the verification. */
  async function attempt<T>(operation: () => Promise<T>): Promise<T | undefined> {
    try {
      return await operation()
    } catch (error) {
      signal?.throwIfAborted()
      if (!isProblem(error)) throw error
      if (problems.length < listedProblems) problems.push(problemOf(error))
      return undefined
    }
  }
}

async function hashBlob(
  { store }: Context,
  layer: Descriptor,
  meter: Meter,
  signal: AbortSignal | undefined,
): Promise<void> {
  const hash = createHash('sha256')
  for (let offset = 0; offset < layer.size; ) {
    const length = Math.min(readBytes, layer.size - offset)
    const part = await store.get(blobKey(digestOf(layer)), { offset, length, signal })
    if (!part) throw missing(digestOf(layer), store)
    if (part.length === 0 || part.length > length) throw wrongSize(layer, offset + part.length)
    hash.update(part)
    offset += part.length
    meter.addBytes(part.length)
  }
  const actual = hash.digest('hex')
  if (actual !== digestOf(layer)) throw corrupt(digestOf(layer), store, actual)
  meter.addFile()
}

async function drill(context: Context, hex: string, options: VerifyOptions): Promise<void> {
  const scratch = await mkdtemp(join(options.scratch ?? tmpdir(), 'holdfast-drill-'))
  try {
    const target = join(scratch, 'restored')
    await restore(context, hex, target, { signal: options.signal, fsync: false })
    await options.probe?.(target, options.signal).catch((cause: unknown) => {
      throw snapshotError('SNAPSHOT_DAMAGED', `the probe of the restored folder failed: ${String(cause)}`, {
        cause,
      })
    })
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

interface Sample {
  /** From 1. */
  readonly part: number
  readonly parts: number
}

function parseSample(sample: string | undefined): Sample {
  if (sample === undefined) return { part: 1, parts: 1 }
  const [part, parts] = (/^(\d{1,6})\/(\d{1,6})$/.exec(sample)?.slice(1) ?? []).map(Number)
  if (!part || !parts || part > parts)
    throw new RangeError(`sample must be k/n with 1 ≤ k ≤ n, such as '3/30', got ${JSON.stringify(sample)}`)
  return { part, parts }
}

function sampler({ part, parts }: Sample): (hex: string) => boolean {
  // Other digits than those that a chunk index hashes by, so that both spread evenly.
  return (hex) => Number.parseInt(hex.slice(8, 16), 16) % parts === part - 1
}

function damaged(hex: string, problems: readonly Problem[]): Error {
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
  return snapshotError('SNAPSHOT_DAMAGED', `sha256:${hex} is damaged: ${problems[0]!.message}${more}`, {
    fields: { digest: `sha256:${hex}`, problems },
  })
}

function isProblem(error: unknown): boolean {
  const codes: SnapshotErrorCode[] = [
    'OBJECT_MISSING',
    'OBJECT_CORRUPT',
    'SNAPSHOT_REFUSED',
    'SNAPSHOT_DAMAGED',
  ]
  return codes.some((code) => isHoldfastError(error, code))
}

function problemOf(error: unknown): Problem {
  if (!isHoldfastError(error)) return { code: 'UNKNOWN', message: String(error) }
  const { path, digest } = error.fields as { path?: string; digest?: string }
  return {
    code: error.code,
    message: error.message,
    ...(path !== undefined && { path }),
    ...(digest !== undefined && { digest }),
  }
}

function wrongSize(layer: Descriptor, actual: number): Error {
  return snapshotError(
    'OBJECT_CORRUPT',
    `${layer.digest} has ${actual} bytes and should have ${layer.size}`,
    {
      fields: { digest: layer.digest },
    },
  )
}
