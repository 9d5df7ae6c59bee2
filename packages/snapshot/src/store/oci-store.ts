import { type Clock, checkInteger, checkString, type Random, systemClock } from '@holdfast/core'
import { snapshotError } from '../errors.ts'
import { blobKey, parseRef } from '../format/layout.ts'
import { mediaTypes } from '../format/manifest.ts'
import { sha256 } from '../keys/keys.ts'
import { createRegistryClient } from './oci-http.ts'
import {
  type BlobStore,
  checkKey,
  type ListedObject,
  type ObjectStat,
  type ReadOptions,
  sliceOf,
  type WriteOptions,
} from './store.ts'

export interface OciStoreOptions {
  username?: string
  password?: string
  /** Requests in all for one that fails with 429 or 5xx, or gets no answer, ≥ 1. @default 4 */
  attempts?: number
  /** @default systemClock */
  clock?: Clock
  /** @default Math.random */
  random?: Random
}

const objectType = 'application/vnd.holdfast.object.v1'
const emptyConfig = Buffer.from('{}')

/**
 * A repository in an OCI registry such as Harbor: `https://registry.example/namespace/name`.
 *
 * Blobs are the registry's blobs, and each snapshot is an artifact with a tag
 * `NAME_TIME_DIGEST` (slashes in the name as `..`; the name of at most 43 characters), which
 * any OCI client can copy. A registry cannot delete for us nor list blobs, so `forget` and
 * `collect` reject with STORE_UNSUPPORTED: use its own retention. Nor can it write only where
 * nothing is: make the repository from one process before many use it.
 */
export function ociStore(url: string, options: OciStoreOptions = {}): BlobStore {
  const base = new URL(checkString('url', url))
  const repository = base.pathname.replace(/^\/+|\/+$/g, '')
  if (!/^https?:$/.test(base.protocol) || repository === '')
    throw new RangeError(`url must be https://registry/namespace/name, got ${url}`)
  const description = `the registry ${base.host}/${repository}`
  const { username, password, clock = systemClock, random = Math.random } = options
  const attempts = checkInteger('attempts', options.attempts ?? 4, { min: 1 })
  const request = createRegistryClient(description, { username, password, clock, random, attempts })
  const at = (path: string): URL => new URL(`/v2/${repository}/${path}`, base)
  return {
    description,
    supports: { delete: false },
    get,
    put,
    stat,
    list,
    delete: async (key) => {
      throw snapshotError('STORE_UNSUPPORTED', `${description} cannot delete ${key}`, { fields: { key } })
    },
    now: async () => timeOf(await request(new URL('/v2/', base))),
  }

  async function get(key: string, options: ReadOptions = {}): Promise<Uint8Array | undefined> {
    const digest = blobDigest(checkKey(key))
    if (digest !== undefined) return (await getBlob(digest, options)) ?? getManifest(digest, options)
    const manifest = await getManifest(tagOf(key), { signal: options.signal })
    if (!manifest || key.startsWith('refs/')) return manifest && sliceOf(manifest, options)
    const { layers } = JSON.parse(Buffer.from(manifest).toString()) as { layers: { digest: string }[] }
    return getBlob(layers[0]!.digest, options)
  }

  async function getBlob(digest: string, options: ReadOptions): Promise<Uint8Array | undefined> {
    const { offset = 0, length, signal } = options
    const whole = offset === 0 && length === undefined
    const last = length === undefined ? '' : offset + length - 1
    const headers: Record<string, string> = whole ? {} : { range: `bytes=${offset}-${last}` }
    const answer = await request(at(`blobs/${digest}`), { headers, signal, accept: [404, 416] })
    const bytes = new Uint8Array(await answer.arrayBuffer())
    if (answer.status === 404) return undefined
    if (answer.status === 416) return new Uint8Array()
    // Some ignore the range and answer 200 with all of it.
    return answer.status === 206 ? bytes : sliceOf(bytes, options)
  }

  async function getManifest(reference: string, options: ReadOptions): Promise<Uint8Array | undefined> {
    const headers = { accept: mediaTypes.manifest }
    const answer = await request(at(`manifests/${reference}`), {
      headers,
      signal: options.signal,
      accept: [404, 400],
    })
    const bytes = new Uint8Array(await answer.arrayBuffer())
    return answer.ok ? sliceOf(bytes, options) : undefined
  }

  async function put(
    key: string,
    parts: readonly Uint8Array[],
    { ifAbsent = false, signal }: WriteOptions = {},
  ): Promise<boolean> {
    const digest = blobDigest(checkKey(key))
    const bytes = Buffer.concat(parts)
    if (ifAbsent && (await stat(key, { signal }))) return false
    if (digest !== undefined) await putBlob(digest, bytes, signal)
    else if (key.startsWith('refs/')) await putRef(key, signal)
    else await putObject(key, bytes, signal)
    return true
  }

  async function putBlob(digest: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const begun = await request(at('blobs/uploads/'), { method: 'POST', signal })
    const upload = new URL(begun.headers.get('location') ?? '', at('blobs/uploads/'))
    upload.searchParams.set('digest', digest)
    await request(upload, {
      method: 'PUT',
      headers: { 'content-type': 'application/octet-stream' },
      body: bytes,
      signal,
    })
  }

  /** Tags the snapshot's manifest, which the registry takes only if it has every layer: our commit point. */
  async function putRef(key: string, signal: AbortSignal | undefined): Promise<void> {
    const ref = parseRef(key)
    const manifest = ref && (await get(blobKey(ref.digest), { signal }))
    if (!manifest)
      throw snapshotError('OBJECT_MISSING', `${key} points to a manifest that is not in ${description}`)
    await putManifest(tagOf(key), manifest, signal)
  }

  async function putObject(key: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const config = describe('application/vnd.oci.empty.v1+json', emptyConfig)
    const layer = describe('application/octet-stream', bytes)
    await putBlob(config.digest, emptyConfig, signal)
    await putBlob(layer.digest, bytes, signal)
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: objectType,
      config,
      layers: [layer],
    }
    await putManifest(tagOf(key), Buffer.from(JSON.stringify(manifest)), signal)
  }

  async function putManifest(tag: string, body: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const headers = { 'content-type': mediaTypes.manifest }
    await request(at(`manifests/${tag}`), { method: 'PUT', headers, body, signal })
  }

  async function stat(
    key: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<ObjectStat | undefined> {
    const digest = blobDigest(checkKey(key))
    if (digest === undefined) {
      const bytes = await get(key, { signal })
      return bytes && { size: bytes.length, modifiedMs: 0 }
    }
    const answer = await request(at(`blobs/${digest}`), { method: 'HEAD', signal, accept: [404] })
    if (answer.ok) return { size: Number(answer.headers.get('content-length')), modifiedMs: timeOf(answer) }
    const manifest = await getManifest(digest, { signal })
    return manifest && { size: manifest.length, modifiedMs: timeOf(answer) }
  }

  /** Refs and small objects, by the registry's tags; it does not list blobs. */
  async function* list(
    prefix: string,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): AsyncIterable<ListedObject> {
    for (let next: URL | undefined = at('tags/list?n=1000'); next; ) {
      const answer: Response = await request(next, { signal, accept: [404] })
      const { tags } = (answer.ok ? await answer.json() : { tags: [] }) as { tags: string[] | null }
      for (const key of (tags ?? []).flatMap((tag) => keyOf(tag) ?? []))
        if (key.startsWith(prefix)) yield { key, size: 0, modifiedMs: 0 }
      const link = /<([^>]+)>;\s*rel="?next/.exec(answer.headers.get('link') ?? '')?.[1]
      next = link === undefined ? undefined : new URL(link, next)
    }
  }
}

function blobDigest(key: string): string | undefined {
  return /^blobs\/sha256\/([0-9a-f]{64})$/.test(key) ? `sha256:${key.slice(blobKey('').length)}` : undefined
}

/** A tag has at most 128 of A-Z a-z 0-9 . _ - in it. */
function tagOf(key: string): string {
  const ref = /^refs\/(.+)\/(\w+)-(\w+)$/.exec(key)?.slice(1)
  const tag = ref ? `${ref[0]!.replaceAll('/', '..')}_${ref[1]}_${ref[2]}` : `_${key.replaceAll('/', '..')}`
  if (tag.length <= 128) return tag
  throw snapshotError(
    'STORE_UNSUPPORTED',
    `a registry has no tag long enough for ${key}: a snapshot's name may have 43 characters there`,
  )
}

function keyOf(tag: string): string | undefined {
  if (tag.startsWith('_')) return tag.slice(1).replaceAll('..', '/')
  const [, name, time, digest] = /^(.+)_(\d{8}T\d{9}Z)_([0-9a-f]{64})$/.exec(tag) ?? []
  return name && `refs/${name.replaceAll('..', '/')}/${time}-${digest}`
}

function describe(mediaType: string, bytes: Uint8Array): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length }
}

function timeOf(answer: Response): number {
  return Date.parse(answer.headers.get('last-modified') ?? answer.headers.get('date') ?? '') || 0
}
