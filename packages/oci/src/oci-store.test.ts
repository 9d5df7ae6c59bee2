import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openRepository } from '@holdfast/snapshot'
import { sha256 } from '@holdfast/snapshot/store'
import { blobStoreCompliance } from '@holdfast/snapshot/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OciStore, ociStore } from './index.ts'
import { hello, key, setUp, snapshotOf } from './scene.test.kit.ts'
import { type MemoryRegistry, startMemoryRegistry } from './testing/index.ts'

describe('a store in a registry', () => {
  let registry: MemoryRegistry
  beforeAll(async () => {
    registry = await startMemoryRegistry({ authentication: 'bearer', pageSize: 10 })
  })
  afterAll(() => registry[Symbol.asyncDispose]())

  let stores = 0
  const urls = new WeakMap<object, string>()
  const open = (url: string) => {
    const store = ociStore(url, { credentials: registry.credentials })
    urls.set(store, url)
    return store
  }
  blobStoreCompliance({
    test,
    expect,
    create: async () => open(`${registry.url}/test/store${stores++}`),
    reopen: async (store) => open(urls.get(store)!),
    supports: { atomicIfAbsent: false, listsBlobs: false },
  })
})

test('what is there already is not sent again', async () => {
  await using at = await setUp()
  const { repository, snapshot } = await snapshotOf('edge-7/state')
  await repository.copyTo(at.store, snapshot)
  at.seen.length = 0
  await repository.copyTo(at.store, snapshot)
  expect(at.seen.filter((line) => line.includes('/blobs/uploads/'))).toEqual([])
})

test('an upload that is cut is begun anew, and one whose answer is lost is not sent twice', async () => {
  let uploads = 0
  await using at = await setUp({
    intercept: (request) => {
      if (request.method !== 'PUT' || !request.url?.includes('/blobs/uploads/')) return false
      uploads += 1
      if (uploads !== 1) return false
      request.once('data', () => request.socket.resetAndDestroy()) // In the middle of the bytes.
      return true
    },
  })
  const large = Buffer.alloc(3_000_000, 'holdfast')
  expect(await at.store.put(`blobs/sha256/${sha256(large)}`, [large])).toBe(true)
  expect(uploads).toBe(2)

  let lost = 0
  await using other = await setUp({
    intercept: (request, response) => {
      if (request.method === 'PUT' && lost++ === 0) response.end = () => response.destroy() as never
      return false
    },
  })
  expect(await other.store.put(key, [hello])).toBe(true)
  expect(other.seen.filter((line) => line.startsWith('PUT')).length).toBe(1)
})

test('a manifest is sent again while the registry cannot find a blob that is being pushed twice', async () => {
  let manifests = 0
  await using at = await setUp({
    intercept: (request, response) => {
      if (request.method !== 'PUT' || !request.url?.includes('/manifests/') || ++manifests > 1) return false
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN"}]}')
      return true
    },
  })
  expect(await at.store.put('keys/a', [hello])).toBe(true)
  expect(manifests).toBe(2)
})

test('bytes that the registry has spoiled are never restored', async () => {
  await using at = await setUp()
  const { repository, snapshot } = await snapshotOf('edge-7/state')
  await repository.copyTo(at.store, snapshot)
  const pack = [...at.registry.blobs.values()].sort((a, b) => b.length - a.length)[0]!
  for (const spoil of [() => (pack[60]! ^= 1), () => pack.fill(0)]) {
    spoil()
    await using there = await openRepository(at.store, { create: false })
    const verified = there.verify(snapshot, { level: 'bytes' })
    await expect(verified).rejects.toMatchObject({ code: 'SNAPSHOT_DAMAGED' })
    const restored = there.restore(snapshot, join(tmpdir(), 'holdfast-never'))
    await expect(restored).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  }
})

test('a snapshot may have a name that is too long for a tag', async () => {
  await using at = await setUp({ pageSize: 2 })
  const names = [40, 43, 44, 60, 200].map((length) => `region/edge.${'7'.repeat(length - 12)}`)
  const digests = new Map<string, string>()
  for (const name of names) {
    const { repository, snapshot } = await snapshotOf(name)
    digests.set(name, snapshot.digest)
    await repository.copyTo(at.store, snapshot)
  }
  await using there = await openRepository(at.store, { create: false })
  for (const name of names)
    expect((await there.list({ name })).map((found) => found.digest)).toEqual([digests.get(name)])
  expect((await there.list()).length).toBe(names.length)
})

test('a snapshot is found by any tag, once, beside the artifacts of others', async () => {
  await using at = await setUp()
  const { repository, snapshot } = await snapshotOf('edge-7/state')
  await repository.copyTo(at.store, snapshot)
  expect(await at.store.resolve('before-upgrade')).toBe(undefined)
  await at.store.tag(snapshot, 'before-upgrade')
  expect(await at.store.resolve('before-upgrade')).toBe(snapshot.digest)
  await using there = await openRepository(at.store, { create: false })
  expect((await there.list()).length).toBe(1)

  // Another client carries that tag alone to a repository which holds an image too.
  const other = ociStore(`${at.registry.url}/usb/stick`)
  await copyTag(at.store, other, snapshot.digest, 'v1')
  const image = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    layers: [],
  })
  await fetch(`${at.registry.url}/v2/usb/stick/manifests/nginx`, { method: 'PUT', body: image })
  const keys: string[] = []
  for await (const { key: found } of other.list('refs/')) keys.push(found)
  expect(keys.map((found) => found.slice(-64))).toEqual([snapshot.digest.slice(7)])
  expect(await other.get(keys[0]!)).toEqual(await at.store.get(keys[0]!))
})

test('tags of users cannot be mistaken for ours', async () => {
  await using at = await setUp()
  const digest = `sha256:${sha256(hello)}`
  for (const tag of [
    '_format.json',
    '.hidden',
    'a b',
    '',
    'x'.repeat(129),
    `n_20260101T000000000Z_${sha256(hello)}`,
  ])
    await expect(at.store.tag({ digest }, tag)).rejects.toThrow(RangeError)
  await expect(at.store.tag({ digest }, 'none')).rejects.toMatchObject({ code: 'OBJECT_MISSING' })
  await expect(at.store.put('keys/a..b', [hello])).rejects.toMatchObject({ code: 'STORE_UNSUPPORTED' })
  for (const url of [
    'https://robot:secret@registry/a/b',
    'registry/name',
    'ftp://registry/name',
    'https://registry',
    '',
  ])
    expect(() => ociStore(url)).toThrow()
})

/** Carries one tag's manifest and all that it points to, as any OCI client does. */
async function copyTag(from: OciStore, to: OciStore, digest: string, tag: string): Promise<void> {
  const manifest = (await from.get(`blobs/sha256/${digest.slice(7)}`))!
  const { config, layers } = JSON.parse(Buffer.from(manifest).toString())
  for (const { digest: blob } of [config, ...layers]) {
    const blobKey = `blobs/sha256/${blob.slice(7)}`
    await to.put(blobKey, [(await from.get(blobKey))!])
  }
  const registry = /registry (\S+)/.exec(to.description)![1]!.replace('/', '/v2/')
  const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' }
  await fetch(`http://${registry}/manifests/${tag}`, { method: 'PUT', headers, body: Buffer.from(manifest) })
}
