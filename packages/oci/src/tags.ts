import { parseRef, refKey, snapshotError } from '@holdfast/snapshot/store'

/** What a registry takes for a tag (OCI distribution-spec). */
const tagPattern = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const longest = 128
const cutMark = '...'

/** What a tag of ours says: an object's key, or a snapshot whose name did not fit, by its digest. */
export type Tagged = { readonly key: string } | { readonly digest: string }

/**
 * An object's tag: `NAME_TIME_DIGEST` for a ref, `_KEY` for the rest, with `..` for each slash.
 *
 * A name too long for a tag is cut and ends in `...`: then only the manifest tells it.
 */
export function tagOf(key: string): string {
  if (key.includes('..')) throw unsupported(key, 'it has two dots in a row')
  const [, name, rest] = (parseRef(key) && /^refs\/(.+)\/([^/]+)$/.exec(key)) ?? []
  const tag = name && rest ? refTag(flat(name), rest.replace('-', '_')) : `_${flat(key)}`
  if (tag.length > longest) throw unsupported(key, 'it is too long')
  return tag
}

/** What is behind a tag of ours; undefined for another's. */
export function readTag(tag: string): Tagged | undefined {
  if (tag.startsWith('_')) return { key: deep(tag.slice(1)) }
  const [, name, time, digest] = /^(.+)_(\d{8}T\d{9}Z)_([0-9a-f]{64})$/.exec(tag) ?? []
  if (!name || !digest) return undefined
  return name.endsWith(cutMark) ? { digest } : { key: `refs/${deep(name)}/${time}-${digest}` }
}

/** The ref of a snapshot, as its manifest tells its name and time; undefined for another artifact's. */
export function refOf(
  manifest: { artifactType?: unknown; annotations?: Record<string, unknown> | null },
  digest: string,
  artifactType: string,
): string | undefined {
  const { artifactType: type, annotations } = manifest
  const timeMs = Date.parse(String(annotations?.['org.opencontainers.image.created']))
  const name = annotations?.['org.opencontainers.image.ref.name']
  if (type !== artifactType || Number.isNaN(timeMs) || typeof name !== 'string') return undefined
  const key = refKey(name, timeMs, digest)
  return parseRef(key) && key
}

/** Returns the tag if a user may give it: a registry's, and not one that means an object of ours. */
export function checkTag(tag: unknown): string {
  if (typeof tag === 'string' && tagPattern.test(tag) && !readTag(tag)) return tag
  throw new RangeError(
    `tag must be of at most ${longest} of A-Z a-z 0-9 . _ - and not begin with . _ or -, got ${JSON.stringify(tag)}`,
  )
}

function refTag(name: string, rest: string): string {
  const room = longest - rest.length - 1
  return `${name.length <= room ? name : name.slice(0, room - cutMark.length) + cutMark}_${rest}`
}

function flat(path: string): string {
  return path.replaceAll('/', '..')
}

function deep(path: string): string {
  return path.replaceAll('..', '/')
}

function unsupported(key: string, reason: string): Error {
  return snapshotError('STORE_UNSUPPORTED', `a registry has no tag for ${key}: ${reason}`, {
    fields: { key },
  })
}
