import { createHash } from 'node:crypto'
import type { Context } from '../context.ts'
import { snapshotError } from '../errors.ts'
import { blobKey } from '../format/layout.ts'
import { type Descriptor, digestOf, type Manifest } from '../format/manifest.ts'
import { createLanes } from '../lanes.ts'
import { corrupt, missing } from '../objects.ts'
import type { Meter } from '../progress.ts'
import type { Problems } from './problems.ts'
import type { Sample } from './sample.ts'

const readsAtOnce = 4
const readBytes = 4 << 20

/** Looks whether every object is there, of its size, and whether the indexes can be parsed and list every pack. */
export async function checkStructure(
  { store, objects }: Context,
  manifest: Manifest,
  problems: Problems,
  onObject: () => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const layer of [...manifest.packs, ...manifest.indexes])
    await problems.attempt(async () => {
      const found = await store.stat(blobKey(digestOf(layer)), { signal })
      if (!found) throw missing(digestOf(layer), store)
      if (found.size !== layer.size) throw wrongSize(layer, found.size)
      onObject()
    })
  await problems.attempt(async () => {
    const listed = new Set<string>()
    for await (const { pack } of objects.listings(manifest, signal)) listed.add(pack)
    for (const { digest } of manifest.packs.filter((pack) => !listed.has(digestOf(pack))))
      throw snapshotError('OBJECT_MISSING', `no index lists ${digest}`, { fields: { digest } })
  })
}

/** Looks whether every object of the sample hashes to its digest. */
export async function checkBytes(
  context: Context,
  manifest: Manifest,
  sample: Sample,
  problems: Problems,
  meter: Meter,
  signal: AbortSignal | undefined,
): Promise<void> {
  const lanes = createLanes(readsAtOnce)
  const layers = [...manifest.packs, ...manifest.indexes, manifest.config].filter((layer) =>
    sample.has(digestOf(layer)),
  )
  meter.expect(layers.reduce((sum, { size }) => sum + size, 0))
  for (const layer of layers)
    await lanes.begin(async () => {
      await problems.attempt(() => hashBlob(context, layer, meter, signal))
    })
  await lanes.idle()
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

function wrongSize(layer: Descriptor, actual: number): Error {
  return snapshotError(
    'OBJECT_CORRUPT',
    `${layer.digest} has ${actual} bytes and should have ${layer.size}`,
    { fields: { digest: layer.digest } },
  )
}
