import type { Context } from '../context.ts'
import { createMeter } from '../progress.ts'
import type { OperationOptions } from '../snapshot.ts'
import { checkData } from './data.ts'
import { type DrillOptions, drill } from './drill.ts'
import { checkBytes, checkStructure } from './objects.ts'
import { createProblems, damaged } from './problems.ts'
import { parseSample } from './sample.ts'

/**
 * How deep to look, each level including the ones before, but for `drill`, which includes `data`:
 * - `structure`: every object is there, of its size, and can be parsed;
 * - `bytes`: every object hashes to its digest; needs no key;
 * - `data`: every chunk can be decrypted, decompressed, and is what its id says;
 * - `drill`: the snapshot is restored to a scratch folder, and your `probe` is asked.
 */
export type VerifyLevel = 'structure' | 'bytes' | 'data' | 'drill'

export interface VerifyOptions extends OperationOptions, DrillOptions {
  /** @default 'data' */
  level?: VerifyLevel
  /** `k/n`: looks only at the k-th of n parts of the objects (`bytes`) or the files' chunks (`data`); n runs see all. */
  sample?: string
}

export interface VerifyReport {
  readonly level: VerifyLevel
  /** How many objects, and bytes of them or of files, were looked at. */
  readonly objects: number
  readonly bytes: number
  readonly durationMs: number
}

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
  const problems = createProblems(signal)
  const manifest = await problems.attempt(() => context.objects.manifest(hex, signal))
  const record = manifest && (await problems.attempt(() => context.objects.record(hex, signal)))
  if (manifest) {
    const onObject = level === 'bytes' ? () => {} : meter.addFile
    await checkStructure(context, manifest, problems, onObject, signal)
    if (level === 'bytes') await checkBytes(context, manifest, sample, problems, meter, signal)
    if (record && (level === 'data' || level === 'drill'))
      await checkData(context, manifest, record, sample, problems, meter, signal)
    if (level === 'drill' && problems.found.length === 0)
      await problems.attempt(() => drill(context, hex, options))
  }
  meter.end()
  if (problems.found.length > 0) throw damaged(hex, problems.found)
  return { level, objects: meter.files, bytes: meter.bytes, durationMs: context.clock.now() - begun }
}
