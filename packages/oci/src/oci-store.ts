import { checkString } from '@holdfast/core'
import {
  type BlobStore,
  blobKey,
  checkKey,
  dateOf,
  type HttpAnswer,
  type HttpOptions,
  type ListedObject,
  mediaTypes,
  type ObjectStat,
  parseRef,
  type ReadOptions,
  sha256,
  sizeOf,
  sliceOf,
  snapshotError,
  type WriteOptions,
} from '@holdfast/snapshot/store'
import { createBlobs, lengthOf } from './blobs.ts'
import { createRegistryClient, type OciCredentials } from './registry-client.ts'
import { checkTag, readTag, refOf, tagOf } from './tags.ts'

export interface OciStoreOptions extends HttpOptions {
  /** A user or robot, or a function that is asked whenever the registry wants to know who we are. @default anonymous */
  credentials?: OciCredentials | (() => Promise<OciCredentials>)
}

interface CallOptions {
  signal?: AbortSignal | undefined
}

export interface OciStore extends BlobStore {
  /**
   * Gives a snapshot that is here a name that people can say: `registry/namespace/name:TAG`.
   * What the tag named before keeps its own. Rejects with OBJECT_MISSING where the snapshot is not here.
   */
  tag(snapshot: { readonly digest: string }, tag: string, options?: CallOptions): Promise<void>
  /** The digest of the manifest that a tag names, `sha256:…`; undefined where there is none. */
  resolve(tag: string, options?: CallOptions): Promise<string | undefined>
}

const objectType = 'application/vnd.holdfast.object.v1'
const emptyConfig = Buffer.from('{}')
/** By the distribution-spec there is none, or nothing in a form that we accept. */
const noManifest = [400, 404, 406]

/**
 * A repository in an OCI registry such as Harbor: `https://registry.example/namespace/name`.
 *
 * Blobs are the registry's blobs, and each snapshot is an artifact that any OCI client can copy:
 * its layers are all the packs and indexes that it needs. It has the tag `NAME_TIME_DIGEST`, and
 * is found by any other tag too. What is there already is not sent again; a cut upload is
 * repeated from its start. A registry cannot delete for us nor list blobs, so `forget` and
 * `collect` reject with STORE_UNSUPPORTED: use its own retention. Nor can it write only where
 * nothing is: make the repository from one process before many use it. It tells no times of
 * writing: a blob's `modifiedMs` is the time of asking, a tag's 0.
 */
export function ociStore(url: string, options: OciStoreOptions = {}): OciStore {
  const base = new URL(checkString('url', url))
  const repository = base.pathname.replace(/^\/+|\/+$/g, '')
  if (base.username !== '' || base.password !== '')
    throw new RangeError('url must not hold credentials: give them as an option')
  if (!/^https?:$/.test(base.protocol) || repository === '')
    throw new RangeError(`url must be https://registry/namespace/name, got ${url}`)
  const description = `the registry ${base.host}/${repository}`
  const client = createRegistryClient(base, description, options)
  const { http, request, json } = client
  const at = (path: string): URL => new URL(`/v2/${repository}/${path}`, base)
  const blobs = createBlobs(client, at)
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
    now: async () => dateOf(http, await request({ url: new URL('/v2/', base) }), 'date'),
    tag,
    resolve,
  }

  async function get(key: string, given: ReadOptions = {}): Promise<Uint8Array | undefined> {
    const digest = blobDigest(checkKey(key))
    if (digest !== undefined) return (await blobs.get(digest, given)) ?? getPart(digest, given)
    const ref = parseRef(key)
    if (ref) return getPart(`sha256:${ref.digest}`, given)
    const manifest = await getManifest(tagOf(key), given)
    return manifest && blobs.get(layerOf(key, manifest), given)
  }

  /** The blob of a small object, which is the one layer of an artifact. */
  function layerOf(key: string, manifest: Uint8Array): string {
    const { artifactType, layers } = json(manifest) as {
      artifactType?: unknown
      layers?: { digest?: unknown }[]
    }
    const digest = artifactType === objectType && layers?.[0]?.digest
    if (typeof digest === 'string') return digest
    throw http.failure(`the tag ${tagOf(key)} is of another artifact`, { retryable: false, fields: { key } })
  }

  async function getPart(reference: string, given: ReadOptions): Promise<Uint8Array | undefined> {
    const manifest = await getManifest(reference, given)
    return manifest && sliceOf(manifest, given)
  }

  async function getManifest(reference: string, { signal }: CallOptions): Promise<Uint8Array | undefined> {
    const answer = await request({
      url: at(`manifests/${reference}`),
      headers: { accept: mediaTypes.manifest },
      signal,
      accept: noManifest,
    })
    return answer.status === 200 ? answer.bytes : undefined
  }

  async function put(key: string, parts: readonly Uint8Array[], given: WriteOptions = {}): Promise<boolean> {
    const { ifAbsent = false, signal } = given
    const digest = blobDigest(checkKey(key))
    if (ifAbsent && (digest ? await blobs.head(digest, signal) : await resolve(tagOf(key), { signal })))
      return false
    if (digest !== undefined) await blobs.put(digest, parts, signal)
    else if (parseRef(key)) await putRef(key, signal)
    else await putObject(key, parts, signal)
    return true
  }

  /** Tags the snapshot's manifest, which the registry takes only if it has every layer: our commit point. */
  async function putRef(key: string, signal?: AbortSignal): Promise<void> {
    const digest = parseRef(key)?.digest ?? ''
    await putManifest(tagOf(key), await snapshotManifest(digest, signal), signal)
  }

  async function snapshotManifest(hex: string, signal?: AbortSignal): Promise<Uint8Array> {
    const manifest = await get(blobKey(hex), { signal })
    if (manifest) return manifest
    throw snapshotError('OBJECT_MISSING', `the manifest sha256:${hex} is not in ${description}`, {
      fields: { digest: `sha256:${hex}` },
    })
  }

  async function putObject(key: string, parts: readonly Uint8Array[], signal?: AbortSignal): Promise<void> {
    const config = describe('application/vnd.oci.empty.v1+json', [emptyConfig])
    const layer = describe('application/octet-stream', parts)
    await blobs.put(config.digest, [emptyConfig], signal)
    await blobs.put(layer.digest, parts, signal)
    const manifest = {
      schemaVersion: 2,
      mediaType: mediaTypes.manifest,
      artifactType: objectType,
      config,
      layers: [layer],
    }
    await putManifest(tagOf(key), Buffer.from(JSON.stringify(manifest)), signal)
  }

  async function putManifest(reference: string, body: Uint8Array, signal?: AbortSignal): Promise<void> {
    const headers = { 'content-type': mediaTypes.manifest }
    await request({ method: 'PUT', url: at(`manifests/${reference}`), headers, body: [body], signal })
  }

  async function stat(key: string, { signal }: CallOptions = {}): Promise<ObjectStat | undefined> {
    const digest = blobDigest(checkKey(key))
    const blob = digest && (await blobs.head(digest, signal))
    if (blob) return { size: sizeOf(http, blob), modifiedMs: dateOf(http, blob, 'date') }
    const bytes = await get(key, { signal })
    return bytes && { size: bytes.length, modifiedMs: 0 }
  }

  /** Refs and small objects, by the registry's tags; it does not list blobs. */
  async function* list(prefix: string, { signal }: CallOptions = {}): AsyncIterable<ListedObject> {
    const found = new Set<string>()
    for await (const tag of tags(signal)) {
      const key = await keyOf(tag, signal)
      if (key === undefined || !key.startsWith(prefix) || found.has(key)) continue
      found.add(key)
      yield { key, size: 0, modifiedMs: 0 }
    }
  }

  async function* tags(signal?: AbortSignal): AsyncGenerator<string> {
    for (let next: URL | undefined = at('tags/list?n=1000'); next; ) {
      const answer: HttpAnswer = await request({ url: next, signal, accept: [404] })
      if (answer.status === 404) return
      const { tags: page } = json(answer.bytes)
      if (Array.isArray(page)) yield* page.filter((tag) => typeof tag === 'string')
      else if (page !== null) throw http.failure('it lists no tags')
      const link = /<([^>]+)>;\s*rel="?next/.exec(answer.headers.get('link') ?? '')?.[1]
      next = link === undefined ? undefined : client.lead(link, next)
    }
  }

  /** By the tag alone where it says all; else by the manifest behind it. */
  async function keyOf(tag: string, signal?: AbortSignal): Promise<string | undefined> {
    const tagged = readTag(tag)
    if (tagged && 'key' in tagged) return tagged.key
    const manifest = await getManifest(tagged ? `sha256:${tagged.digest}` : tag, { signal })
    return manifest && refOf(json(manifest), sha256(manifest), mediaTypes.artifact)
  }

  async function tag(
    { digest }: { digest: string },
    name: string,
    { signal }: CallOptions = {},
  ): Promise<void> {
    checkTag(name)
    await putManifest(name, await snapshotManifest(digest.slice('sha256:'.length), signal), signal)
  }

  async function resolve(name: string, { signal }: CallOptions = {}): Promise<string | undefined> {
    const manifest = await getManifest(name, { signal })
    return manifest && `sha256:${sha256(manifest)}`
  }
}

function blobDigest(key: string): string | undefined {
  return /^blobs\/sha256\/([0-9a-f]{64})$/.test(key) ? `sha256:${key.slice(blobKey('').length)}` : undefined
}

function describe(mediaType: string, parts: readonly Uint8Array[]) {
  return { mediaType, digest: `sha256:${sha256(...parts)}`, size: lengthOf(parts) }
}
