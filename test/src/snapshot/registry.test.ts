import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ociStore } from '@holdfast/oci'
import { directory, folderStore, memoryStore, openRepository } from '@holdfast/snapshot'
import { blobStoreCompliance } from '@holdfast/snapshot/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runUnpacked } from '../support/debian.ts'
import { type Registry, registryFolder, startRegistry } from './registry.ts'

// On a real registry, with skopeo as a client that knows nothing of us.
const describeRegistry = registryFolder ? describe : describe.skip
let folder: string
let registry: Registry

describeRegistry('a real registry', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-registry-'))
    registry = await startRegistry(folder)
    await mkdir(join(folder, 'source/sub'), { recursive: true })
    await writeFile(join(folder, 'source/sub/file'), 'precious '.repeat(10_000))
    await writeFile(join(folder, 'source/large'), readFileSync(process.execPath).subarray(0, 6_000_000))
  })
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  let stores = 0
  const supports = { atomicIfAbsent: false, listsBlobs: false }
  const create = async () => ociStore(`${registry.url}/test/store${stores++}`)
  blobStoreCompliance({ test, expect, create, supports })

  test('takes a copy of a snapshot, sends it once, and gives it back byte for byte', async () => {
    const harbor = ociStore(`${registry.url}/edge/state`)
    await using local = await openRepository(memoryStore(), { key: new Uint8Array(32).fill(1) })
    const first = await local.backup(directory(join(folder, 'source')), { name: 'edge-7/state' })
    const sent = await local.copyTo(harbor, first)
    expect(sent.copiedBytes).toBeGreaterThan(first.storedBytes)
    await writeFile(join(folder, 'source/new'), 'little')
    const second = await local.backup(directory(join(folder, 'source')), { name: 'edge-7/state' })
    expect((await local.copyTo(harbor, second)).copiedBytes).toBeLessThan(20_000)
    expect((await local.copyTo(harbor, second)).copied).toBe(0)

    await using remote = await openRepository(harbor, { key: new Uint8Array(32).fill(1), create: false })
    expect((await remote.list()).map(({ digest }) => digest)).toEqual([first.digest, second.digest])
    await remote.verify(second, { level: 'data' })
    await remote.restore(second, join(folder, 'restored'))
    const [is, was] = await Promise.all(
      ['restored', 'source'].map((at) => readFile(join(folder, at, 'large'))),
    )
    expect(is!.equals(was!)).toBe(true)
    await expect(remote.collect()).rejects.toMatchObject({ code: 'STORE_UNSUPPORTED' })
  }, 60_000)

  test('is backed up to directly', async () => {
    await using repository = await openRepository(ociStore(`${registry.url}/edge/direct`))
    const snapshot = await repository.backup(directory(join(folder, 'source/sub')), { name: 'n' })
    expect((await repository.backup(directory(join(folder, 'source/sub')), { name: 'n' })).storedBytes).toBe(
      0,
    )
    await repository.restore(snapshot, join(folder, 'direct'))
    expect((await readFile(join(folder, 'direct/file'), 'utf8')).length).toBe(90_000)
  })

  test('a snapshot that skopeo carried to another registry is the same one', async () => {
    await using local = await openRepository(folderStore(join(folder, 'repository')))
    const snapshot = await local.backup(directory(join(folder, 'source')), { name: 'carried' })
    await local.copyTo(ociStore(`${registry.url}/from/here`), snapshot)
    const skopeo = (...args: string[]) => runUnpacked(registryFolder!, 'skopeo', args, folder)
    const { Tags } = JSON.parse(
      skopeo('list-tags', '--tls-verify=false', `docker://${registry.host}/from/here`),
    ) as { Tags: string[] }
    for (const tag of Tags)
      skopeo(
        '--insecure-policy',
        'copy',
        '--preserve-digests',
        '--src-tls-verify=false',
        '--dest-tls-verify=false',
        `docker://${registry.host}/from/here:${tag}`,
        `docker://${registry.host}/to/there:${tag}`,
      )
    await using there = await openRepository(ociStore(`${registry.url}/to/there`), { create: false })
    expect(await there.list()).toMatchObject([{ digest: snapshot.digest, name: 'carried' }])
    await there.restore(snapshot, join(folder, 'there'))
    expect(readdirSync(join(folder, 'there'))).toEqual(readdirSync(join(folder, 'source')))
    expect(readFileSync(join(folder, 'there/sub/file'), 'utf8').length).toBe(90_000)
  }, 60_000)

  test('a registry that is not there is told by code', async () => {
    const nowhere = ociStore('http://127.0.0.1:1/a/b', { attempts: 1 })
    await expect(openRepository(nowhere)).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true })
    expect(() => ociStore('registry/name')).toThrow()
  })
})
