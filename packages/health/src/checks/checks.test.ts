import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import type { Check, Observation } from '../check.ts'
import { planCheck } from '../check-plan.ts'
import { configCheck, leaseCheck, queueCheck, storeCheck } from './holdfast.ts'
import { type HttpCheckOptions, httpCheck } from './http.ts'
import { diskSpaceCheck, memoryCheck } from './resources.ts'
import { tcpCheck } from './tcp.ts'

const servers: { close(): unknown }[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function serve(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function run(check: Check, signal = new AbortController().signal): Promise<Observation | undefined> {
  return planCheck(check).run(signal) as Promise<Observation | undefined>
}

const failed = (message: string | RegExp): object =>
  expect.objectContaining({ code: 'CHECK_FAILED', message: expect.stringMatching(message) })

test('httpCheck: the status decides; redirects are not followed; each run has a connection of its own', async () => {
  let connections = 0
  const seen: string[] = []
  const server = createServer(({ method, headers, url }, response) => {
    seen.push(`${method} ${headers['x-probe']}`)
    response.writeHead(Number(url?.slice(1)), { location: '/200' }).end('body '.repeat(10_000))
  }).on('connection', () => {
    connections += 1
  })
  const base = `http://127.0.0.1:${await serve(server)}`
  const check = (path: string, options = {}): Check =>
    httpCheck({ name: 'web', url: base + path, ...options })
  await run(check('/204', { method: 'HEAD', headers: { 'X-Probe': 'yes' } }))
  await run(check('/301', { expect: [301, 302] }))
  await run(check('/418', { expect: (status: number) => status === 418 }))
  await expect(run(check('/302'))).rejects.toEqual(failed(/answered 302, expected 2xx/))
  await expect(run(check('/300'))).rejects.toEqual(failed(/answered 300/))
  await expect(run(check('/200', { expect: 404 }))).rejects.toEqual(failed(/expected 404/))
  expect([connections, seen[0]]).toEqual([6, 'HEAD yes'])
})

test('httpCheck: the body decides too, where one is expected, and none of it is told', async () => {
  let body = '{"status":"up","token":"hunter2"}'
  const port = await serve(createServer((_, response) => response.end(body)))
  const check = (expectBody: HttpCheckOptions['expectBody'] & {}): Promise<unknown> =>
    run(httpCheck({ name: 'web', url: `http://127.0.0.1:${port}`, expectBody }))
  await check('"status":"up"')
  const global = httpCheck({ name: 'web', url: `http://127.0.0.1:${port}`, expectBody: /"up"/g })
  await run(global)
  await run(global)
  await check((text) => JSON.parse(text).status === 'up')
  const error = await check('"status":"down"').catch((thrown: unknown) => thrown)
  expect(error).toEqual(failed(/answered with another body than expected$/))
  expect(JSON.stringify(error) + String(error)).not.toContain('hunter2')
  await expect(check((text) => JSON.parse(text).state.up)).rejects.toThrow(TypeError)
  body = 'é'.repeat(32_768)
  await check(/^é+$/)
  body += 'x'
  await expect(check(/é/)).rejects.toEqual(failed(/more than 65536 bytes/))
  expect(() => httpCheck({ name: 'web', url: 'http://a', method: 'HEAD', expectBody: 'x' })).toThrow(
    /expectBody/,
  )
  expect(() => httpCheck({ name: 'web', url: 'http://a', expectBody: 1 as never })).toThrow(/expectBody/)
})

test('httpCheck: a body that is cut, or never ends, does not pass', async () => {
  const port = await serve(
    createServer((request, response) => {
      response.writeHead(200, { 'content-length': '10' }).write('up')
      if (request.url === '/cut') setImmediate(() => response.destroy())
    }),
  )
  const url = `http://127.0.0.1:${port}`
  await expect(run(httpCheck({ name: 'cut', url: `${url}/cut`, expectBody: 'up' }))).rejects.toMatchObject({
    code: 'ECONNRESET',
  })
  const stop = new AbortController()
  const hung = run(httpCheck({ name: 'hung', url, expectBody: 'up' }), stop.signal)
  setImmediate(() => stop.abort())
  await expect(hung).rejects.toMatchObject({ name: 'AbortError' })
})

test('httpCheck: once the status is known the connection is closed, however long the body', async () => {
  const closed: Promise<unknown>[] = []
  const port = await serve(
    createServer((request, response) => {
      closed.push(once(request.socket, 'close'))
      response.writeHead(200).write('it goes on')
    }),
  )
  await run(httpCheck({ name: 'endless', url: `http://127.0.0.1:${port}` }))
  await closed[0]
})

test('httpCheck: nobody there, and nobody answering in time', async () => {
  const port = await serve(createServer(() => {}))
  const stop = new AbortController()
  const hung = run(httpCheck({ name: 'hung', url: `http://127.0.0.1:${port}` }), stop.signal)
  stop.abort()
  await expect(hung).rejects.toMatchObject({ name: 'AbortError' })
  const closed = createServer()
  const gone = await serve(closed)
  await new Promise((resolve) => closed.close(resolve))
  await expect(run(httpCheck({ name: 'gone', url: `http://127.0.0.1:${gone}` }))).rejects.toMatchObject({
    code: 'ECONNREFUSED',
  })
})

test('httpCheck: neither path nor password of the URL is told', async () => {
  const port = await serve(createServer((_, response) => response.writeHead(500).end()))
  const url = `http://admin:hunter2@127.0.0.1:${port}/hooks/hunter2?token=hunter2`
  const error = await run(httpCheck({ name: 'web', url })).catch((thrown: unknown) => thrown)
  expect(error).toEqual(failed(`GET http://127.0.0.1:${port} answered 500`))
  expect(JSON.stringify(error) + String(error)).not.toContain('hunter2')
  expect(() => httpCheck({ name: 'web', url: 'hunter2 is no URL' })).toThrow(
    expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
  )
})

test('httpCheck refuses what is no HTTP URL, method or status', () => {
  const url = 'http://127.0.0.1/'
  expect(() => httpCheck({ name: 'x', url: 'ftp://a/' })).toThrow(/protocol/)
  expect(() => httpCheck({ name: 'x', url, expect: 99 })).toThrow(/expect/)
  expect(() => httpCheck({ name: 'x', url, method: 'POST' as never })).toThrow(/method/)
})

test('tcpCheck: somebody listens, nobody listens', async () => {
  const server = createTcpServer()
  const port = await serve(server)
  await run(tcpCheck({ name: 'db', host: '127.0.0.1', port }))
  await new Promise((resolve) => server.close(resolve))
  await expect(run(tcpCheck({ name: 'db', host: '127.0.0.1', port }))).rejects.toMatchObject({
    code: 'ECONNREFUSED',
  })
  await expect(
    run(tcpCheck({ name: 'db', host: '127.0.0.1', port }), AbortSignal.abort()),
  ).rejects.toMatchObject({ name: 'AbortError' })
  expect(() => tcpCheck({ name: 'db', host: '', port })).toThrow(/host/)
  expect(() => tcpCheck({ name: 'db', host: 'a', port: 0 })).toThrow(/port/)
})

test('diskSpaceCheck measures a real file system', async () => {
  const path = tmpdir()
  const seen = await run(diskSpaceCheck({ name: 'disk', path, minFreeBytes: 1 }))
  expect(seen).toMatchObject({ unit: 'bytes', warn: false })
  expect(seen?.value).toBeGreaterThan(1)
  expect(
    await run(diskSpaceCheck({ name: 'disk', path, minFreeBytes: 1, warnFreeBytes: 1e18 })),
  ).toMatchObject({ warn: true })
  await expect(run(diskSpaceCheck({ name: 'disk', path, minFreeBytes: 1e18 }))).rejects.toEqual(
    failed(/bytes are free/),
  )
  await expect(
    run(diskSpaceCheck({ name: 'disk', path: '/no/such/place', minFreeBytes: 1 })),
  ).rejects.toMatchObject({ code: 'ENOENT' })
  expect(() => diskSpaceCheck({ name: 'disk', path, minFreeBytes: 2, warnFreeBytes: 1 })).toThrow(
    /warnFreeBytes/,
  )
})

test('memoryCheck looks at this process alone, so it may decide about its life', async () => {
  const read = () => ({ rssBytes: 100, heapBytes: 91, heapLimitBytes: 100 })
  expect(planCheck(memoryCheck({ name: 'memory', gates: ['live'] })).gates).toEqual(['live'])
  expect((await run(memoryCheck({ name: 'memory' })))?.value).toBeGreaterThan(1e6)
  expect(await run(memoryCheck({ name: 'memory', read, maxRssBytes: 100 }))).toEqual({
    value: 100,
    unit: 'bytes',
  })
  await expect(run(memoryCheck({ name: 'memory', read, maxRssBytes: 99 }))).rejects.toEqual(
    failed(/holds 100 bytes/),
  )
  await expect(run(memoryCheck({ name: 'memory', read, maxHeapShare: 0.9 }))).rejects.toEqual(
    failed(/heap holds 91/),
  )
  expect(() => memoryCheck({ name: 'memory', maxHeapShare: 2 })).toThrow(/maxHeapShare/)
})

test('storeCheck reads one key, and what the store rejects with is the failure', async () => {
  const asked: unknown[] = []
  const range = async (...given: unknown[]): Promise<{ revision: number }> => {
    asked.push(given[0])
    return { revision: 5 }
  }
  expect(await run(storeCheck({ name: 'etcd', store: { range }, key: 'a' }))).toEqual({
    value: 5,
    unit: 'revision',
  })
  expect(asked).toEqual([{ key: 'a' }])
  const down = { range: () => Promise.reject(new Error('down')) }
  await expect(run(storeCheck({ name: 'etcd', store: down }))).rejects.toThrow('down')
  expect(() => storeCheck({ name: 'etcd', store: {} as never })).toThrow(/range/)
})

test('queueCheck compares figures with their limits, and a figure that is missing fails', async () => {
  const queue = { stats: () => ({ queue_bytes: { kind: 'gauge' as const, help: 'Bytes', value: 10 } }) }
  const check = (limits: object): Promise<Observation | undefined> =>
    run(queueCheck({ name: 'queue', queue, ...limits }))
  expect(await check({ max: { queue_bytes: 10 } })).toEqual({})
  expect(await check({ max: { queue_bytes: 10 }, warnAbove: { queue_bytes: 9 } })).toEqual({
    warn: true,
    output: 'queue_bytes is 10, above 9',
  })
  await expect(check({ max: { queue_bytes: 9 } })).rejects.toEqual(failed('queue_bytes is 10, above 9'))
  await expect(check({ max: { queue_messages: 9 } })).rejects.toEqual(failed('no figure queue_messages'))
  expect(() => queueCheck({ name: 'queue', queue, max: { queue_bytes: Number.NaN } })).toThrow(
    /max\.queue_bytes/,
  )
})

test('leaseCheck asks whether it is held right now', async () => {
  const session = { held: true, isHeld: () => session.held }
  const check = leaseCheck({ name: 'session', lease: session })
  await run(check)
  session.held = false
  await expect(run(check)).rejects.toEqual(failed(/not held/))
})

test('configCheck warns of everything but a proven live config', async () => {
  const told = async (origin: string, state: string, onProbation = false): Promise<Observation | undefined> =>
    run(
      configCheck({
        name: 'config',
        config: { status: () => ({ running: { origin, onProbation }, attempt: { state } }) },
      }),
    )
  expect(await told('live', 'applied')).toEqual({})
  expect(await told('live', 'applied', true)).toMatchObject({ warn: true, output: 'on probation' })
  expect(await told('lkg', 'rejected')).toMatchObject({ warn: true, output: expect.stringContaining('lkg') })
  expect(await told('live', 'rolled-back')).toMatchObject({
    warn: true,
    output: expect.stringContaining('rolled-back'),
  })
})
