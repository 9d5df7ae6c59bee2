import { snapshotError } from '../errors.ts'
import type { Snapshot } from '../snapshot.ts'
import { type Attributes, checkAttributes, isId, isSize, parseObject, refused } from './tree.ts'

export const mediaTypes = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  artifact: 'application/vnd.holdfast.snapshot.v1',
  config: 'application/vnd.holdfast.snapshot.config.v1+json',
  pack: 'application/vnd.holdfast.pack.v1',
  index: 'application/vnd.holdfast.index.v1',
} as const

/** A blob that is pointed to. */
export interface Descriptor {
  readonly mediaType: string
  /** `sha256:…` */
  readonly digest: string
  /** In bytes. */
  readonly size: number
}

export interface Manifest {
  readonly config: Descriptor
  readonly packs: readonly Descriptor[]
  readonly indexes: readonly Descriptor[]
}

/** What a snapshot says of itself, besides its digest. */
export interface SnapshotRecord extends Omit<Snapshot, 'digest'> {
  readonly root: Attributes & { readonly tree: string }
}

export function encodeManifest({ config, packs, indexes }: Manifest, record: SnapshotRecord): Uint8Array {
  const manifest = {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    artifactType: mediaTypes.artifact,
    config,
    layers: [...packs, ...indexes],
    annotations: {
      'org.opencontainers.image.created': new Date(record.timeMs).toISOString(),
      'org.opencontainers.image.ref.name': record.name,
    },
  }
  return Buffer.from(JSON.stringify(manifest))
}

/** Reads a snapshot's manifest; any other artifact is refused. */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const { schemaVersion, artifactType, config, layers } = parseObject(bytes)
  if (schemaVersion !== 2 || artifactType !== mediaTypes.artifact)
    throw refused(`it is no snapshot but ${String(artifactType)}`)
  if (!Array.isArray(layers)) throw refused('its manifest has no layers')
  const descriptors = layers.map(checkDescriptor)
  const ofType = (type: string): Descriptor[] => descriptors.filter(({ mediaType }) => mediaType === type)
  const [packs, indexes] = [ofType(mediaTypes.pack), ofType(mediaTypes.index)]
  if (packs.length + indexes.length !== layers.length)
    throw refused('its manifest has layers of unknown types')
  return { config: checkDescriptor(config), packs, indexes }
}

/** The config: the record, and a seal by which who has the key knows that one with the key wrote it. */
export function encodeConfig(
  record: SnapshotRecord,
  seal: (record: string) => string | undefined,
): Uint8Array {
  const text = JSON.stringify(record)
  return Buffer.from(JSON.stringify({ version: 1, record: text, seal: seal(text) }))
}

export function decodeConfig(
  bytes: Uint8Array,
  seal?: (record: string) => string | undefined,
): SnapshotRecord {
  const config = parseObject(bytes)
  if (config['version'] !== 1)
    throw snapshotError('REPOSITORY_UNSUPPORTED', `a config is of version ${String(config['version'])}`)
  const text = config['record']
  if (typeof text !== 'string') throw refused('its config has no record')
  if (seal && seal(text) !== config['seal']) throw refused('its config was not written with this key')
  return checkRecord(parseObject(Buffer.from(text)))
}

export function digestOf(descriptor: Pick<Descriptor, 'digest'>): string {
  return descriptor.digest.slice('sha256:'.length)
}

export function encodeDescriptor(descriptor: Descriptor): Uint8Array {
  return Buffer.from(JSON.stringify(descriptor))
}

function checkDescriptor(value: unknown): Descriptor {
  const { mediaType, digest, size } = (value ?? {}) as Record<string, unknown>
  const hex = typeof digest === 'string' && digest.startsWith('sha256:') ? digest.slice(7) : undefined
  if (typeof mediaType !== 'string' || !isId(hex) || !isSize(size))
    throw refused(`its manifest points to ${JSON.stringify(value)?.slice(0, 200)}`)
  return { mediaType, digest: `sha256:${hex}`, size }
}

function checkRecord(record: Record<string, unknown>): SnapshotRecord {
  const root = record['root']
  checkAttributes(root, 'its root')
  if (!isId((root as { tree?: unknown }).tree)) throw refused('its root has no tree')
  if (typeof record['name'] !== 'string' || !isSize(record['timeMs']))
    throw refused('its config has no name or time')
  for (const count of ['files', 'folders', 'bytes', 'storedBytes', 'inconsistent', 'unreadable'])
    if (!isSize(record[count])) throw refused(`its config has no ${count}`)
  return record as unknown as SnapshotRecord
}
