import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@holdfast/core'
import { createFakeClock } from '@holdfast/core/testing'
import { s3Store } from '@holdfast/s3'
import { startMemoryS3 } from '@holdfast/s3/testing'
import { directory, memoryStore, openRepository } from '@holdfast/snapshot'
import { blobStoreCompliance } from '@holdfast/snapshot/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fetchFrom } from '../support/fetch-from.ts'
import { type Radosgw, radosgwFolder, startRadosgw } from './radosgw.ts'

type Server = Pick<Radosgw, 'endpoint' | 'bucket' | 'credentials'> & AsyncDisposable

const fake = createFakeClock()
const memory = {
  name: 'a small server in memory',
  start: (): Promise<Server> => startMemoryS3({ clock: fake }),
  clock: fake,
  passTime: () => fake.advance(5_100), // The clock of S3 tells whole seconds.
}
const real = {
  name: 'a real radosgw',
  start: (folder: string): Promise<Server> => startRadosgw(folder),
  clock: systemClock,
  passTime: () => systemClock.sleep(5_100),
}

// The real one with HOLDFAST_DEEP=1 only, for it takes half a minute; the suite runs on the small one in packages/s3.
describe.each(radosgwFolder ? [memory, real] : [memory])('$name', ({ name, start, clock, passTime }) => {
  let folder: string
  let server: Server
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-s3-'))
    server = await start(folder)
    await mkdir(join(folder, 'source/sub'), { recursive: true })
    await writeFile(join(folder, 'source/sub/file'), 'precious '.repeat(10_000))
    await writeFile(join(folder, 'source/large'), readFileSync(process.execPath).subarray(0, 6_000_000))
  }, 120_000)
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  let stores = 0
  const prefixes = new WeakMap<object, string>()
  const open = (prefix: string, pageSize = 10) => {
    const store = s3Store({ ...server, prefix, pageSize, clock })
    prefixes.set(store, prefix)
    return store
  }
  if (name === real.name) {
    blobStoreCompliance({
      test,
      expect,
      create: async () => open(`store-${stores++}/sub`),
      reopen: async (store) => open(prefixes.get(store)!),
      largeBytes: 130 << 20,
      races: 20,
    })

    test('takes its bucket for a host too', async () => {
      const { port } = new URL(server.endpoint)
      const fetch = fetchFrom('127.0.0.1')
      const endpoint = `http://s3.test:${port}`
      const store = s3Store({ ...server, endpoint, addressing: 'host', prefix: 'as-host', fetch })
      expect(await store.put('keys/a', [Buffer.from('by name')], { ifAbsent: true })).toBe(true)
      expect(Buffer.from((await open('as-host').get('keys/a'))!).toString()).toBe('by name')
      expect(await store.now()).toBeGreaterThan(0)
    })

    test('lists more than one of its own pages', async () => {
      const store = open('many', 1_000)
      const keys = Array.from({ length: 1_100 }, (_, at) => `keys/${String(at).padStart(4, '0')}`)
      for (let at = 0; at < keys.length; at += 20)
        await Promise.all(keys.slice(at, at + 20).map((key) => store.put(key, [Buffer.from(key)])))
      const listed: string[] = []
      for await (const { key } of store.list('keys/')) listed.push(key)
      expect(listed.sort()).toEqual(keys)
    })

    test('refuses what did not come as it was sent', async () => {
      const store = open('checksum')
      const other = 'blobs/sha256/09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b'
      const denied = store.put(other, [Buffer.from('hello, worlD')])
      await expect(denied).rejects.toMatchObject({ code: 'STORE_FAILED', fields: { status: 400 } })
      expect(await store.get(other)).toBe(undefined)
    })
  }

  test('tells wrong credentials and a missing bucket by code', async () => {
    const credentials = { ...server.credentials, secretAccessKey: 'wrong' }
    const denied = openRepository(s3Store({ ...server, credentials, clock }))
    await expect(denied).rejects.toMatchObject({
      code: 'STORE_DENIED',
      retryable: false,
      fields: { status: 403 },
    })
    const nowhere = openRepository(s3Store({ ...server, bucket: 'nowhere', clock }))
    await expect(nowhere).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: false })
  })

  test('holds a repository: backup, verify, restore, forget, collect', async () => {
    const store = open('repository', 1_000)
    await using repository = await openRepository(store, { key: 'a long passphrase', graceMs: 4_000 })
    const first = await repository.backup(directory(join(folder, 'source')), { name: 'edge-7/state' })
    await writeFile(join(folder, 'source/large'), 'small now')
    await passTime()
    const second = await repository.backup(directory(join(folder, 'source')), {
      name: 'edge-7/state',
      forceRead: true,
    })
    await repository.verify(first, { level: 'data' })
    await repository.restore(first, join(folder, 'first'))
    expect((await readFile(join(folder, 'first/large'))).length).toBe(6_000_000)

    await repository.forget({ keep: { last: 1 } })
    await passTime()
    const { marked } = await repository.collect()
    expect(marked).toBeGreaterThan(0)
    await passTime()
    expect((await repository.collect()).deleted).toBe(marked)
    await repository.verify(second, { level: 'data' })
    expect((await repository.list()).map(({ digest }) => digest)).toEqual([second.digest])
  }, 60_000)

  test('takes a copy, and sends only what is new', async () => {
    await using local = await openRepository(memoryStore())
    const snapshot = await local.backup(directory(join(folder, 'source')), { name: 'copied' })
    const archive = open('archive', 1_000)
    expect((await local.copyTo(archive, snapshot)).copied).toBeGreaterThan(0)
    expect((await local.copyTo(archive, snapshot)).copied).toBe(0)
    await using there = await openRepository(archive, { create: false })
    await there.restore(snapshot, join(folder, 'copied'))
    expect(await readFile(join(folder, 'copied/sub/file'), 'utf8')).toBe('precious '.repeat(10_000))
  })
})
