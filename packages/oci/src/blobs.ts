import { type HttpAnswer, partOf, type ReadOptions, rangeHeaders, sizeOf } from '@holdfast/snapshot/store'
import type { RegistryClient } from './registry-client.ts'

/** The blobs of one repository in a registry, by digest (`sha256:…`). */
export interface Blobs {
  /** The blob or the part asked for; undefined where there is none. */
  get(digest: string, options: ReadOptions): Promise<Uint8Array | undefined>
  /** Sends what the registry lacks. An upload that failed is begun anew, unless the blob is there after all. */
  put(digest: string, parts: readonly Uint8Array[], signal?: AbortSignal): Promise<void>
  /** What the registry says of a blob; undefined where there is none. */
  head(digest: string, signal?: AbortSignal): Promise<HttpAnswer | undefined>
}

export function createBlobs({ http, once, request, lead }: RegistryClient, at: (path: string) => URL): Blobs {
  return { get, put, head }

  async function get(digest: string, given: ReadOptions): Promise<Uint8Array | undefined> {
    const { signal } = given
    if (given.length === 0) return (await head(digest, signal)) && new Uint8Array()
    const asked = { url: at(`blobs/${digest}`), headers: rangeHeaders(given), signal, accept: [404, 416] }
    return http.repeat(async () => {
      const answer = await once(asked)
      return answer.status === 404 ? undefined : partOf(http, answer, given)
    }, signal)
  }

  async function put(digest: string, parts: readonly Uint8Array[], signal?: AbortSignal): Promise<void> {
    const size = lengthOf(parts)
    await http.repeat(async () => {
      const there = await head(digest, signal, once)
      if (there && sizeOf(http, there) === size) return
      const answer = await once({ method: 'POST', url: at('blobs/uploads/'), body: [], signal })
      const upload = lead(answer.headers.get('location') ?? '', at('blobs/uploads/'))
      upload.searchParams.set('digest', digest)
      const headers = { 'content-type': 'application/octet-stream' }
      await once({ method: 'PUT', url: upload, headers, body: parts, signal })
    }, signal)
  }

  async function head(digest: string, signal?: AbortSignal, send = request): Promise<HttpAnswer | undefined> {
    const answer = await send({ method: 'HEAD', url: at(`blobs/${digest}`), signal, accept: [404] })
    return answer.status === 404 ? undefined : answer
  }
}

export function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0)
}
