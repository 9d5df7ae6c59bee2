import { getEventListeners } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { systemClock } from '@holdfast/core'
import { createFakeClock } from '@holdfast/core/testing'
import { openRepository } from '@holdfast/snapshot'
import { sha256 } from '@holdfast/snapshot/store'
import { describe, expect, test } from 'vitest'
import { ociStore } from './index.ts'
import { hello, key, setUp, snapshotOf } from './scene.test.kit.ts'
import { startMemoryRegistry } from './testing/index.ts'

describe.each(['none', 'basic', 'bearer'] as const)('where the registry asks for %s', (authentication) => {
  test('a snapshot is pushed and pulled with its own digest', async () => {
    await using registry = await setUp({ authentication })
    const { repository, snapshot } = await snapshotOf('edge-7/state')
    await repository.copyTo(registry.store, snapshot)
    await using there = await openRepository(registry.store, { create: false })
    expect(await there.list()).toMatchObject([{ digest: snapshot.digest, name: 'edge-7/state' }])
    await there.verify(snapshot, { level: 'data' })
  })
})

test('a token is got once for what it is good for, and again when it has expired', async () => {
  await using at = await setUp({ authentication: 'bearer' })
  const tokens = () => at.seen.filter((line) => line.startsWith('GET /token')).length
  await at.store.put(key, [hello])
  const once = tokens()
  await at.store.put(key, [hello])
  await at.store.get(key)
  expect(tokens()).toBe(once)
  at.registry.expireTokens()
  expect(Buffer.from((await at.store.get(key))!).toString()).toBe('hello, world')
  expect(tokens()).toBe(once + 1)
})

test('who is not let in is told by code, without a second try', async () => {
  for (const authentication of ['basic', 'bearer'] as const) {
    const credentials = { username: 'robot', password: 'wrong' }
    await using at = await setUp({ authentication }, { credentials })
    await expect(at.store.get(key)).rejects.toMatchObject({ code: 'STORE_DENIED', retryable: false })
    const requests = at.seen.length
    await expect(at.store.put(key, [hello])).rejects.toMatchObject({
      code: 'STORE_DENIED',
      fields: { status: 401 },
    })
    expect(at.seen.length - requests).toBeLessThanOrEqual(2)
  }
})

test('credentials may come from a function, which is asked anew after a refusal', async () => {
  let asked = 0
  await using registry = await startMemoryRegistry({ authentication: 'basic' })
  const credentials = async () => {
    asked += 1
    return registry.credentials
  }
  const store = ociStore(`${registry.url}/a/b`, { credentials })
  await store.put(key, [hello])
  await store.get(key)
  expect(asked).toBe(1)
})

test('credentials never go to another host, nor a password from https to http', async () => {
  const sent: { url: string; authorization: string | undefined }[] = []
  const fetch = async (input: unknown, init: RequestInit = {}) => {
    const url = String(input)
    const { authorization } = init.headers as Record<string, string>
    sent.push({ url, authorization })
    if (url.startsWith('https://blobs.example')) return new Response(null, { status: 201 })
    if (init.method === 'HEAD') return new Response(null, { status: 404 })
    if (url.includes('/uploads/') && authorization)
      return new Response(null, { status: 202, headers: { location: 'https://blobs.example/upload?id=1' } })
    const challenge = url.includes('/tags/')
      ? 'Bearer realm="http://tokens.example/",scope="x"'
      : 'Basic realm="r"'
    return new Response(null, { status: 401, headers: { 'www-authenticate': challenge } })
  }
  const credentials = { username: 'robot', password: 'secret' }
  const store = ociStore('https://registry.example/a/b', {
    credentials,
    fetch: fetch as typeof globalThis.fetch,
  })
  await store.put(key, [hello])
  expect(sent.at(-1)).toMatchObject({
    url: expect.stringContaining('blobs.example'),
    authorization: undefined,
  })
  expect(sent.at(-1)?.url).toContain('id=1&digest=sha256')
  const listing = store.list('refs/')[Symbol.asyncIterator]().next()
  await expect(listing).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: false })
  expect(sent.some(({ url }) => url.includes('tokens.example'))).toBe(false)
})

test('an answer that breaks off, 429 and 503 are tried again; the last failure has a code', async () => {
  const failures = ['cut', 503, 429, 'never'] as const
  let count = 0
  let forever = false
  await using at = await setUp({
    intercept: (request, response) => {
      if (request.method !== 'GET') return false
      const failure = forever ? 'cut' : failures[count++]
      if (failure === 'cut') {
        response.writeHead(200, { 'content-length': 100 }).write('half', () => response.destroy())
        return true
      }
      if (typeof failure === 'number') response.writeHead(failure).end('busy')
      return typeof failure === 'number'
    },
  })
  await at.store.put(key, [hello])
  expect(Buffer.from((await at.store.get(key))!).toString()).toBe('hello, world')
  expect(count).toBe(4)
  forever = true
  await expect(at.store.get(key)).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true })
})

test('a pause is as long as the registry asks for', async () => {
  const pauses: number[] = []
  const sleep = async (ms: number, signal?: AbortSignal) => {
    if (ms < 60_000) pauses.push(ms)
    else await systemClock.sleep(ms, signal) // Of the watch over silence.
  }
  const intercept = (_request: IncomingMessage, response: ServerResponse): boolean => {
    if (pauses.length > 0) return false
    response.writeHead(429, { 'retry-after': '7' }).end()
    return true
  }
  const clock = { ...systemClock, now: () => 0, sleep }
  await using at = await setUp({ intercept }, { clock })
  expect(await at.store.get(key)).toBe(undefined)
  expect(pauses).toEqual([7_000])
})

test('a connection that falls silent is given up', async () => {
  const clock = createFakeClock()
  const arrived = resolvers<undefined>()
  const intercept = (): boolean => {
    arrived.resolve(undefined)
    return true // And no word more.
  }
  await using at = await setUp({ intercept }, { clock, attempts: 1, silenceMs: 1_000 })
  const silent = at.store.get(key).catch((error: unknown) => error)
  await arrived.promise
  await clock.advance(1_000)
  expect(await silent).toMatchObject({ code: 'STORE_FAILED', retryable: true })
  const stop = new AbortController()
  const aborted = at.store.get(key, { signal: stop.signal }).catch((error: unknown) => error)
  stop.abort(new SyntaxError('the reason')) // Whoever waits need not wait for that.
  expect(await aborted).toBe(stop.signal.reason)
  expect(clock.sleepers).toBe(0)
})

test('a connection that is slow, but moves both ways, is waited for', async () => {
  const clock = createFakeClock()
  const slowly = async <T>(
    parts: AsyncIterable<T> | Iterable<T>,
    signal: AbortSignal,
    each: (part: T) => void,
  ) => {
    for await (const part of parts) {
      await clock.advance(999)
      signal.throwIfAborted()
      each(part)
    }
  }
  let sent = 0
  const fetch = async (url: URL, { method, body, signal, headers }: RequestInit) => {
    if (method === 'HEAD') return new Response(null, { status: 404 })
    if (method === 'POST')
      return new Response(null, { status: 202, headers: { location: `${url.origin}/upload` } })
    if (method === 'PUT') {
      await slowly(body as unknown as AsyncIterable<Uint8Array>, signal!, ({ length }) => {
        sent += length
      })
      return new Response(null, { status: 201 })
    }
    // What is hashed must come as it is stored, never compressed on its way.
    expect(headers).toMatchObject({ 'accept-encoding': 'identity' })
    const answer = new TransformStream<Uint8Array>()
    const writer = answer.writable.getWriter()
    void slowly(hello, signal!, (byte) => void writer.write(Uint8Array.of(byte))).then(
      () => writer.close(),
      (reason) => writer.abort(reason),
    )
    return new Response(answer.readable as never)
  }
  const options = { clock, fetch: fetch as never, attempts: 1, silenceMs: 1_000 }
  const store = ociStore('https://registry.example/a/b', options)
  expect(Buffer.from((await store.get(key))!).toString()).toBe('hello, world')
  const large = Buffer.alloc(2_000_000, 'slow')
  await store.put(`blobs/sha256/${sha256(large)}`, [large])
  expect(sent).toBe(2_000_000)
  expect(clock.sleepers).toBe(0)
})

test('a signal that lives long is left as it was', async () => {
  await using at = await setUp()
  const { signal } = new AbortController()
  await at.store.put(key, [hello], { signal })
  await at.store.get(key, { signal })
  expect(getEventListeners(signal, 'abort').length).toBe(0)
})

test('a server that talks nonsense is told by code, whatever it says', async () => {
  const nonsense = [
    '<html>hello</html>',
    '',
    '{}',
    'null',
    '[]',
    '7',
    '{"tags":5}',
    '{"tags":[1,null]}',
    '{"layers":[{}]}',
  ]
  for (const body of nonsense)
    for (const headers of [
      {},
      { 'content-range': 'bytes 5-1/x', location: 'http://[', link: '<http://[>; rel="next"', date: 'never' },
    ])
      for (const status of [200, 202, 206, 416]) {
        const fetch = async (_url: URL, { method }: RequestInit) =>
          new Response(method === 'HEAD' ? null : body, { status, headers })
        const store = ociStore('https://registry.example/a/b', { fetch: fetch as never, attempts: 1 })
        const calls = [
          store.get(key, { offset: 2 }),
          store.get('format.json'),
          store.stat(key),
          store.put('keys/a', [hello]),
          store.put(key, [hello]),
          store.list('')[Symbol.asyncIterator]().next(),
          store.resolve('latest'),
          store.now(),
        ]
        for (const outcome of await Promise.allSettled(calls))
          if (outcome.status === 'rejected')
            expect(outcome.reason, `${status} ${body}`).toMatchObject({ code: 'STORE_FAILED' })
      }
})

test('credentials that cannot be had are told by code, with the reason', async () => {
  await using at = await setUp(
    { authentication: 'basic' },
    { credentials: () => Promise.reject(new Error('vault')) },
  )
  await expect(at.store.get(key)).rejects.toMatchObject({ code: 'STORE_FAILED', cause: { message: 'vault' } })
})

function resolvers<T>() {
  let resolve: (value: T) => void = () => {}
  const promise = new Promise<T>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
