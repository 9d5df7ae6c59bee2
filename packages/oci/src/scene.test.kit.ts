import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { memoryStore, openRepository, type Repository, type Snapshot, stream } from '@holdfast/snapshot'
import { sha256 } from '@holdfast/snapshot/store'
import { type OciStore, type OciStoreOptions, ociStore } from './index.ts'
import { type MemoryRegistry, type MemoryRegistryOptions, startMemoryRegistry } from './testing/index.ts'

export const hello: Buffer = Buffer.from('hello, world')
export const key: string = `blobs/sha256/${sha256(hello)}`

export interface Scene extends AsyncDisposable {
  readonly registry: MemoryRegistry
  readonly store: OciStore
  /** Every request that the registry has seen: `GET /v2/…`. */
  readonly seen: string[]
}

/** A registry in memory and a store in it, without pauses between attempts. */
export async function setUp(
  given: MemoryRegistryOptions = {},
  options: OciStoreOptions = {},
): Promise<Scene> {
  const seen: string[] = []
  const intercept = (request: IncomingMessage, response: ServerResponse): boolean => {
    seen.push(`${request.method} ${request.url}`)
    return given.intercept?.(request, response) ?? false
  }
  const registry = await startMemoryRegistry({ ...given, intercept })
  const random = () => 0 // No pause between attempts.
  const store = ociStore(`${registry.url}/edge/state`, {
    random,
    credentials: registry.credentials,
    ...options,
  })
  return { registry, store, seen, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() }
}

/** A snapshot in memory, of a name. */
export async function snapshotOf(name: string): Promise<{ repository: Repository; snapshot: Snapshot }> {
  const repository = await openRepository(memoryStore())
  const source = stream({ name: 'dump', open: () => Readable.from([Buffer.from(`the state of ${name}`)]) })
  return { repository, snapshot: await repository.backup(source, { name }) }
}
