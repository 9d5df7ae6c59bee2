import type { IncomingMessage, ServerResponse } from 'node:http'
import { systemClock } from '@holdfast/core'
import { sha256 } from '@holdfast/snapshot/store'
import { blobStoreCompliance } from '@holdfast/snapshot/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type S3StoreOptions, s3Store } from './index.ts'
import { type MemoryS3, type MemoryS3Options, startMemoryS3 } from './testing/index.ts'

describe('a store in a bucket', () => {
  let server: MemoryS3
  beforeAll(async () => {
    server = await startMemoryS3()
  })
  afterAll(() => server[Symbol.asyncDispose]())

  let stores = 0
  const prefixes = new WeakMap<object, string>()
  const open = (prefix: string) => {
    const store = s3Store({ ...server, prefix, pageSize: 10 })
    prefixes.set(store, prefix)
    return store
  }
  blobStoreCompliance({
    test,
    expect,
    create: async () => open(`store-${stores++}/sub`),
    reopen: async (store) => open(prefixes.get(store)!),
  })
})

const hello = Buffer.from('hello, world')
const key = `blobs/sha256/${sha256(hello)}`

/** A server, a store on it, and every request that the server has seen. */
async function setUp(given: MemoryS3Options = {}, options: Partial<S3StoreOptions> = {}) {
  const seen: string[] = []
  const intercept = (request: IncomingMessage, response: ServerResponse): boolean => {
    seen.push(`${request.method} ${request.url}`)
    return given.intercept?.(request, response) ?? false
  }
  const server = await startMemoryS3({ ...given, intercept })
  const random = () => 0 // No pause between attempts.
  const store = s3Store({ ...server, random, ...options })
  return { server, store, seen, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

/** Lets a request be served, and its answer be lost. */
function loseAnswer(response: ServerResponse): void {
  response.end = () => response.destroy() as never
}

test('whose answer was lost knows that it wrote, and who came second that it did not', async () => {
  let puts = 0
  await using at = await setUp({
    intercept: (request, response) => {
      if (request.method === 'PUT' && ++puts === 1) loseAnswer(response)
      return false
    },
  })
  expect(await at.store.put('keys/a', [hello], { ifAbsent: true })).toBe(true)
  expect(await at.store.put('keys/a', [hello], { ifAbsent: true })).toBe(false)

  puts = 0
  await using other = await setUp({
    intercept: (request, response) => {
      if (request.method !== 'PUT' || ++puts > 1) return false
      // Another writer comes first, and then our connection is gone.
      other.server.objects.set('keys/a', { bytes: Buffer.from('other'), modifiedMs: 0, meta: {} })
      response.destroy()
      return true
    },
  })
  expect(await other.store.put('keys/a', [hello], { ifAbsent: true })).toBe(false)
  expect(Buffer.from((await other.store.get('keys/a'))!).toString()).toBe('other')
})

test('a conflict of conditional writers is tried again', async () => {
  let puts = 0
  await using at = await setUp({
    intercept: (request, response) => {
      if (request.method !== 'PUT' || ++puts > 1) return false
      response.writeHead(409).end('<Error><Code>ConditionalRequestConflict</Code></Error>')
      return true
    },
  })
  expect(await at.store.put('keys/a', [hello], { ifAbsent: true })).toBe(true)
})

test('a server that ignores conditions is refused at the first such write', async () => {
  await using at = await setUp({ conditional: false })
  const put = at.store.put('format.json', [hello], { ifAbsent: true })
  await expect(put).rejects.toMatchObject({ code: 'STORE_UNSUPPORTED' })
  await using good = await setUp()
  for (const name of ['keys/a', 'keys/b', 'keys/c']) await good.store.put(name, [hello], { ifAbsent: true })
  expect(good.seen.filter((line) => line.startsWith('PUT')).length).toBe(4) // It is asked once.
})

test('an upload that was spoiled on its way is refused by the server', async () => {
  await using at = await setUp()
  const put = at.store.put(key, [Buffer.from('hello, worlD')])
  await expect(put).rejects.toMatchObject({ code: 'STORE_FAILED', fields: { status: 400 } })
  await expect(put).rejects.toThrow('XAmzContentSHA256Mismatch')
  expect(at.server.objects.size).toBe(0)
})

test('a clock that is wrong is corrected by the server’s, from its first refusal on', async () => {
  const clock = { ...systemClock, wall: () => systemClock.wall() - 30 * 86_400_000 }
  await using at = await setUp({}, { clock })
  expect(await at.store.put(key, [hello])).toBe(true)
  expect(at.seen.length).toBe(2)
  await at.store.get(key)
  expect(at.seen.length).toBe(3)
  expect(Math.abs((await at.store.now()) - Date.now())).toBeLessThanOrEqual(60_000)
})

test('credentials from a function are renewed when they have expired', async () => {
  await using server = await startMemoryS3({
    intercept: (request, response) => {
      if (!request.headers.authorization?.includes('Credential=old/')) return false
      response.writeHead(403).end('<Error><Code>ExpiredToken</Code></Error>')
      return true
    },
  })
  const old = { accessKeyId: 'old', secretAccessKey: 'old', sessionToken: 'old' }
  let asked = 0
  const credentials = async () => (asked++ === 0 ? old : server.credentials)
  await s3Store({ ...server, credentials, random: () => 0 }).put(key, [hello])
  expect(asked).toBe(2)
  const fixed = s3Store({ ...server, credentials: old }).put(key, [hello])
  await expect(fixed).rejects.toMatchObject({ code: 'STORE_DENIED', retryable: false })
})

test('credentials that cannot be had are told by code, with the reason', async () => {
  const credentials = () => Promise.reject(new Error('vault'))
  await using at = await setUp({}, { credentials })
  await expect(at.store.get(key)).rejects.toMatchObject({ code: 'STORE_FAILED', cause: { message: 'vault' } })
  expect(at.seen).toEqual([])
})

test('a server that talks nonsense is told by code, whatever it says', async () => {
  for (const body of ['<html>hello</html>', '', '{}', '<ListBucketResult></ListBucketResult>'])
    for (const headers of [{}, { 'content-range': 'bytes 5-1/x', date: 'never', 'last-modified': 'x' }])
      for (const status of [200, 206, 416]) {
        const fetch = async (_url: URL, { method }: RequestInit) =>
          new Response(method === 'HEAD' ? null : body, { status, headers })
        const credentials = { accessKeyId: 'a', secretAccessKey: 's' }
        const options = { endpoint: 'https://s3.example', bucket: 'b-1', credentials, attempts: 1 }
        const store = s3Store({ ...options, fetch: fetch as never })
        const calls = [
          store.get(key, { offset: 2 }),
          store.stat(key),
          store.list('')[Symbol.asyncIterator]().next(),
          store.now(),
        ]
        for (const outcome of await Promise.allSettled(calls))
          if (outcome.status === 'rejected')
            expect(outcome.reason, `${status} ${body}`).toMatchObject({ code: 'STORE_FAILED' })
      }
})

test('a session token goes with each request', async () => {
  const tokens: unknown[] = []
  const intercept = (request: IncomingMessage): boolean => {
    tokens.push(request.headers['x-amz-security-token'])
    return false
  }
  await using server = await startMemoryS3({ intercept })
  const credentials = { ...server.credentials, sessionToken: 'the session' }
  await s3Store({ ...server, credentials }).put(key, [hello])
  expect(tokens).toEqual(['the session'])
})

test('a wrong key, a missing bucket and another region are told by code, at once', async () => {
  const bad = { accessKeyId: 'memory', secretAccessKey: 'wrong' }
  const cases: [Partial<S3StoreOptions>, string, number][] = [
    [{ credentials: bad }, 'STORE_DENIED', 403],
    [{ bucket: 'nowhere' }, 'STORE_FAILED', 404],
    [{ region: 'elsewhere' }, 'STORE_FAILED', 400],
  ]
  for (const [options, code, status] of cases) {
    await using at = await setUp({}, options)
    const expected = { code, retryable: false, fields: { status } }
    await expect(at.store.get('format.json')).rejects.toMatchObject(expected)
    await expect(at.store.put('format.json', [hello], { ifAbsent: true })).rejects.toMatchObject(expected)
    const listed = at.store.list('')[Symbol.asyncIterator]().next()
    await expect(listed).rejects.toMatchObject(expected)
    expect(at.seen.length).toBe(3)
  }
})

test('a redirect is not followed, for the signature is for this endpoint', async () => {
  await using at = await setUp({
    intercept: (_request, response) => {
      response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end()
      return true
    },
  })
  await expect(at.store.get(key)).rejects.toMatchObject({ code: 'STORE_FAILED', fields: { status: 307 } })
  expect(at.seen.length).toBe(1)
})

test('a part that is not the one asked for is asked for again, and never given out', async () => {
  let answer: (response: ServerResponse) => unknown = () => {}
  await using at = await setUp({
    intercept: (request, response) => {
      if (request.method === 'GET') answer(response)
      return request.method === 'GET'
    },
  })
  const get = () => at.store.get(key, { offset: 7, length: 3 })
  const wrong: Record<string, (response: ServerResponse) => unknown> = {
    'from elsewhere': (it) => it.writeHead(206, { 'content-range': 'bytes 0-2/12' }).end('hel'),
    'from before': (it) => it.writeHead(206, { 'content-range': 'bytes 0-9/12' }).end('hel'),
    'too long': (it) => it.writeHead(206, { 'content-range': 'bytes 7-11/12' }).end('world'),
    'not as long as it says': (it) => it.writeHead(206, { 'content-range': 'bytes 7-9/12' }).end('wo'),
    'of no range': (it) => it.writeHead(206).end('wor'),
    'broken off': (it) =>
      it
        .writeHead(206, { 'content-range': 'bytes 7-9/12', 'content-length': 3 })
        .write('w', () => it.destroy()),
  }
  for (const [what, how] of Object.entries(wrong)) {
    answer = how
    at.seen.length = 0
    await expect(get(), what).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true })
    expect(at.seen.length, what).toBe(4)
  }
  answer = (it) => it.writeHead(200).end(hello) // It ignores ranges, as it may.
  expect(Buffer.from((await get())!).toString()).toBe('wor')
})

test('for no bytes, none are sent', async () => {
  await using at = await setUp()
  await at.store.put(key, [hello])
  expect(await at.store.get(key, { offset: 3, length: 0 })).toEqual(new Uint8Array())
  expect(at.seen.at(-1)).toMatch(/^HEAD /)
})

test('a broken page of a listing is asked for again', async () => {
  const pages = [
    '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>',
    '<ListBucketRes',
    'no xml',
  ]
  await using at = await setUp({
    intercept: (request, response) => {
      const page = request.url?.includes('list-type') ? pages.shift() : undefined
      if (page !== undefined) response.end(page)
      return page !== undefined
    },
  })
  await at.store.put('keys/a', [hello])
  const keys: string[] = []
  for await (const { key: listed } of at.store.list('')) keys.push(listed)
  expect(keys).toEqual(['keys/a'])
  expect(pages).toEqual([])
})

test('a listing stays below its prefix, and passes over what is no object of ours', async () => {
  await using at = await setUp({}, { prefix: 'site-1' })
  for (const name of [
    'site-1/keys/a',
    'site-10/keys/b',
    'site-1x',
    'keys/c',
    'site-1/a b&<c>',
    'site-1/.hidden',
  ])
    at.server.objects.set(name, { bytes: hello, modifiedMs: 0, meta: {} })
  const keys: string[] = []
  for await (const { key: listed } of at.store.list('')) keys.push(listed)
  expect(keys).toEqual(['keys/a'])
})

test('options that make no sense are refused by name', async () => {
  const good = {
    endpoint: 'https://s3.example',
    bucket: 'b-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 's' },
  }
  const bad: [Partial<S3StoreOptions>, string][] = [
    [{ endpoint: 's3.example' }, 'endpoint'],
    [{ endpoint: 'https://s3.example/path' }, 'endpoint'],
    [{ endpoint: 'ftp://s3.example' }, 'endpoint'],
    [{ endpoint: 'https://key:secret@s3.example' }, 'endpoint'],
    [{ bucket: 'a/b' }, 'bucket'],
    [{ prefix: '../up' }, 'key'],
    [{ prefix: '' }, 'key'],
    [{ region: '' }, 'region'],
    [{ addressing: 'dns' as 'host' }, 'addressing'],
    [{ pageSize: 0 }, 'pageSize'],
    [{ attempts: 0 }, 'attempts'],
    [{ silenceMs: 0 }, 'silenceMs'],
    [{ credentials: undefined as never }, 'credentials'],
    [{ credentials: { accessKeyId: 'a' } as never }, 'credentials.secretAccessKey'],
  ]
  for (const [options, name] of bad) expect(() => s3Store({ ...good, ...options }), name).toThrow(name)
  expect(s3Store({ ...good, addressing: 'host', prefix: 'p' }).description).toBe(
    'the bucket b-1/p at b-1.s3.example',
  )
})
