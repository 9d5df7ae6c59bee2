import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ociStore } from '@holdfast/oci'
import { directory, folderStore, memoryStore, openRepository } from '@holdfast/snapshot'
import { blobStoreCompliance } from '@holdfast/snapshot/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { runUnpacked } from '../support/debian.ts'
import { startFaultProxy } from '../support/proxy.ts'
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

  const skopeo = (...args: string[]) =>
    runUnpacked(registryFolder!, 'skopeo', ['--insecure-policy', ...args], folder)
  const source = ['--src-tls-verify=false', '--dest-tls-verify=false']

  test('a repository that skopeo carried to another registry is the same one', async () => {
    await using local = await openRepository(folderStore(join(folder, 'repository')), {
      key: 'a long passphrase',
    })
    const snapshot = await local.backup(directory(join(folder, 'source')), { name: 'carried' })
    await local.copyTo(ociStore(`${registry.url}/from/here`), snapshot)
    skopeo(
      'sync',
      ...source,
      '--src',
      'docker',
      '--dest',
      'docker',
      `${registry.host}/from/here`,
      `${registry.host}/to`,
    )
    const carried = ociStore(`${registry.url}/to/here`)
    await using there = await openRepository(carried, { create: false, key: 'a long passphrase' })
    expect(await there.list()).toMatchObject([{ digest: snapshot.digest, name: 'carried' }])
    await there.verify(snapshot, { level: 'data' })
    await there.restore(snapshot, join(folder, 'there'))
    expectSame(join(folder, 'there'))
  }, 60_000)

  test('one snapshot that skopeo wrote to a disk and read back has its digest, and is restored', async () => {
    await using local = await openRepository(memoryStore())
    const snapshot = await local.backup(directory(join(folder, 'source')), { name: 'edge-7/state' })
    const from = ociStore(`${registry.url}/disk/from`)
    await local.copyTo(from, snapshot)
    await from.tag(snapshot, 'before-upgrade')
    const layout = join(folder, 'stick')
    const image = `docker://${registry.host}/disk/from:before-upgrade`
    skopeo('copy', '--preserve-digests', '--src-tls-verify=false', image, `oci:${layout}:v1`)
    const blobs = readdirSync(join(layout, 'blobs/sha256'))
    const sums = blobs.map((hex) => `${hex}  blobs/sha256/${hex}\n`).join('')
    execFileSync('sha256sum', ['--check', '--strict', '--quiet'], { cwd: layout, input: sums })
    expect(blobs).toContain(snapshot.digest.slice('sha256:'.length))

    const back = `docker://${registry.host}/disk/to:v1`
    skopeo('copy', '--preserve-digests', '--dest-tls-verify=false', `oci:${layout}:v1`, back)
    const raw = skopeo('inspect', '--raw', '--tls-verify=false', back)
    expect(`sha256:${createHash('sha256').update(raw).digest('hex')}`).toBe(snapshot.digest)
    const to = ociStore(`${registry.url}/disk/to`)
    expect(await to.resolve('v1')).toBe(snapshot.digest)
    // Only the snapshot was carried, so a repository is made around it.
    await using there = await openRepository(to)
    expect(await there.list()).toMatchObject([{ digest: snapshot.digest, name: 'edge-7/state' }])
    await there.verify(snapshot, { level: 'data' })
    await there.restore(snapshot, join(folder, 'from-disk'))
    expectSame(join(folder, 'from-disk'))
  }, 60_000)

  test('a push that is cut off is not seen, and the next one goes on with what is there', async () => {
    await using proxy = await startFaultProxy(registry.url)
    await using local = await openRepository(memoryStore())
    const noise = join(folder, 'noise')
    await writeFile(noise, randomBytes(18 << 20))
    await mkdir(join(folder, 'random'), { recursive: true })
    await rename(noise, join(folder, 'random/noise'))
    const snapshot = await local.backup(directory(join(folder, 'random')), { name: 'cut' })
    const through = ociStore(`${proxy.endpoint}/cut/state`, { attempts: 1 })
    await openRepository(through)
    const cut = local.copyTo(through, snapshot, { onProgress: () => proxy.refuse() })
    await expect(cut).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true })
    proxy.accept()
    await using there = await openRepository(through, { create: false })
    expect(await there.list()).toEqual([])
    await local.copyTo(through, snapshot)
    await there.verify(snapshot, { level: 'bytes' })
    expect((await local.copyTo(through, snapshot)).copied).toBe(0)
  }, 60_000)

  function expectSame(restored: string): void {
    execFileSync('diff', ['--recursive', '--no-dereference', join(folder, 'source'), restored])
  }

  test('a registry that is not there is told by code', async () => {
    const nowhere = ociStore('http://127.0.0.1:1/a/b', { attempts: 1 })
    await expect(openRepository(nowhere)).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true })
    expect(() => ociStore('registry/name')).toThrow()
  })
})
