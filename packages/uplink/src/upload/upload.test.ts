import { writeFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { advanceUntil, until } from '../lab.test.kit.ts'
import { bytesBody, fileBody } from './body.ts'
import type { UploadCheckpoint, UploadOptions } from './types.ts'
import { startUpload } from './upload.ts'

type Fault =
  | 'none'
  | 'cut'
  | 'stall'
  | 'lose'
  | 'silent'
  | { status: number; headers?: Record<string, string> }

/** A server that speaks tus 1.0 on loopback, and misbehaves as told: one fault per request. */
async function startTusServer(faults: (nth: number, method: string, length: number) => Fault = () => 'none') {
  const uploads = new Map<string, { size: number; bytes: Buffer; metadata: string | undefined }>()
  const requests: string[] = []
  let received = 0
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.headers['upload-offset'] ?? ''}`.trim())
    request.on('error', () => response.destroy())
    const length = Number(request.headers['content-length'] ?? 0)
    const fault = faults(requests.length, request.method ?? '', length)
    serve(request, response, fault).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: `${origin}/files`,
    uploads,
    requests,
    whole: () => [...uploads.values()].at(-1)?.bytes,
    received: () => received,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }

  async function serve(request: IncomingMessage, response: ServerResponse, fault: Fault): Promise<void> {
    if (typeof fault === 'object') return void response.writeHead(fault.status, fault.headers).end('no')
    if (fault === 'stall') return
    if (request.headers['tus-resumable'] !== '1.0.0') return void response.writeHead(412).end()
    if (request.method === 'POST') {
      const path = `/files/${uploads.size + 1}`
      const size = Number(request.headers['upload-length'])
      uploads.set(path, {
        size,
        bytes: Buffer.alloc(0),
        metadata: request.headers['upload-metadata'] as string,
      })
      return void response.writeHead(201, { location: path }).end()
    }
    if (fault === 'lose') uploads.delete(request.url ?? '')
    const upload = uploads.get(request.url ?? '')
    if (!upload) return void response.writeHead(404).end()
    const headers = () => ({
      'upload-offset': String(upload.bytes.length),
      'upload-length': String(upload.size),
    })
    if (request.method === 'HEAD') return void response.writeHead(200, headers()).end()
    if (Number(request.headers['upload-offset']) !== upload.bytes.length)
      return void response.writeHead(409).end()
    for await (const chunk of request as AsyncIterable<Buffer>) {
      const kept = fault === 'cut' ? chunk.subarray(0, Math.ceil(chunk.length / 2)) : chunk
      upload.bytes = Buffer.concat([upload.bytes, kept])
      received += kept.length
      if (fault === 'cut') return void request.destroy()
    }
    response.writeHead(204, fault === 'silent' ? {} : headers()).end()
  }
}

const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * 31 + (at >> 8)) % 256))

function lab(options: Partial<UploadOptions> & Pick<UploadOptions, 'url'>) {
  const clock = createFakeClock()
  const told: unknown[] = []
  const start = async () => {
    const upload = await startUpload({
      body: bytesBody(bytes, 'v1'),
      chunkBytes: 100_000,
      clock,
      backoff: { minMs: 100, maxMs: 100, jitter: 'none' },
      ...options,
    })
    upload.on('resumed', ({ offset }) => told.push(['resumed', offset]))
    upload.on('expired', () => told.push(['expired']))
    upload.on('retried', ({ error }) => told.push(['retried', (error as { code?: string }).code]))
    return upload
  }
  /** Moves time on until the upload has ended. */
  const finish = async (exited: Promise<void>) => {
    let over = false
    const done = exited.finally(() => {
      over = true
    })
    await Promise.all([done, advanceUntil(clock, 50, () => over)])
  }
  return { clock, told, start, finish }
}

test('creates, sends chunk by chunk, and ends', async () => {
  await using server = await startTusServer()
  const { start, told, clock } = lab({ url: server.url, metadata: { filename: 'größe.bin', kind: 'dump' } })
  const upload = await start()
  await upload.exited
  expect(server.requests).toEqual(['POST', 'PATCH 0', 'PATCH 100000', 'PATCH 200000'])
  expect(server.whole()?.equals(bytes)).toBe(true)
  expect(server.uploads.get('/files/1')?.metadata).toBe(
    `filename ${Buffer.from('größe.bin').toString('base64')},kind ZHVtcA==`,
  )
  expect(told).toEqual([])
  expect(upload.stats?.()['upload_offset_bytes']?.value).toBe(300_000)
  await upload.close()
  expect(clock.sleepers).toBe(0)
})

test('an empty body is created and done', async () => {
  await using server = await startTusServer()
  const upload = await startUpload({ url: server.url, body: bytesBody(Buffer.alloc(0), 'v1') })
  await upload.exited
  expect(server.requests).toEqual(['POST'])
})

test('after a cut it asks, and goes on from what the server kept', async () => {
  await using server = await startTusServer((nth) => (nth === 3 ? 'cut' : 'none'))
  const { start, finish, told } = lab({ url: server.url })
  await finish((await start()).exited)
  expect(server.whole()?.equals(bytes)).toBe(true)
  expect(server.received()).toBe(bytes.length)
  expect(told).toEqual([
    ['retried', 'UPLINK_REQUEST_FAILED'],
    ['resumed', expect.any(Number)],
  ])
})

test('a checkpoint goes on in another process; nothing is sent twice', async () => {
  await using server = await startTusServer((nth) => (nth === 3 ? 'stall' : 'none'))
  const kept: UploadCheckpoint[] = []
  const options = {
    url: server.url,
    saveCheckpoint: async (checkpoint: UploadCheckpoint) => void kept.push(checkpoint),
  }
  const first = await lab(options).start()
  await until(() => server.requests.length === 3)
  await first.close()
  await first.exited
  const stored: unknown = JSON.parse(JSON.stringify(kept[0]))
  const { start, finish, told } = lab({ ...options, checkpoint: stored })
  await finish((await start()).exited)
  expect(server.requests.slice(3)).toEqual(['HEAD', 'PATCH 100000', 'PATCH 200000'])
  expect(told).toEqual([['resumed', 100_000]])
  expect([server.whole()?.equals(bytes), server.received(), kept.length]).toEqual([true, bytes.length, 1])
})

test.each([
  ['another content', { version: 'v0' }],
  ['another size', { size: 5 }],
  ['another server', { location: 'http://127.0.0.1:9/files/1' }],
])('a checkpoint of %s is not gone on with', async (_name, wrong) => {
  await using server = await startTusServer()
  const checkpoint = { location: `${server.url}/1`, size: bytes.length, version: 'v1', ...wrong }
  const upload = await lab({ url: server.url, checkpoint }).start()
  await upload.exited
  expect(server.requests[0]).toBe('POST')
})

test('an upload that the server has lost begins anew', async () => {
  await using server = await startTusServer((nth) => (nth === 3 ? 'lose' : 'none'))
  const { start, finish, told } = lab({ url: server.url })
  await finish((await start()).exited)
  expect(told).toEqual([['retried', 'UPLINK_NOT_ACCEPTED'], ['expired']])
  expect(server.requests.slice(3)).toEqual(['HEAD', 'POST', 'PATCH 0', 'PATCH 100000', 'PATCH 200000'])
  expect(server.whole()?.equals(bytes)).toBe(true)
})

test('a place that the server has given to another upload since is left alone', async () => {
  await using server = await startTusServer()
  server.uploads.set('/files/1', { size: 9, bytes: Buffer.from('other'), metadata: undefined })
  const checkpoint = { location: `${server.url}/1`, size: bytes.length, version: 'v1' }
  const { start, finish, told } = lab({ url: server.url, checkpoint })
  await finish((await start()).exited)
  expect(told).toEqual([['expired']])
  expect(server.uploads.get('/files/1')?.bytes.toString()).toBe('other')
  expect(server.uploads.get('/files/2')?.bytes.equals(bytes)).toBe(true)
})

test('a server that refuses us for a while costs no byte: the old place is given up only for a new one', async () => {
  let locked = false
  await using server = await startTusServer((nth) => {
    if (nth === 4) locked = true
    if (nth === 11) locked = false
    return locked ? { status: 403 } : 'none'
  })
  const { start, finish, told } = lab({ url: server.url })
  await finish((await start()).exited)
  expect(server.requests.slice(3, 10)).toEqual([
    'PATCH 200000',
    'HEAD',
    'POST',
    'HEAD',
    'POST',
    'HEAD',
    'POST',
  ])
  expect(told).not.toContainEqual(['expired'])
  expect([server.uploads.size, server.received()]).toEqual([1, bytes.length])
})

test('bytes that the server lost after it had acknowledged them are sent again', async () => {
  await using server = await startTusServer((nth) => {
    const upload = server.uploads.get('/files/1')
    if (nth === 4 && upload) upload.bytes = upload.bytes.subarray(0, 50_000)
    return 'none'
  })
  const { start, finish, told } = lab({ url: server.url })
  await finish((await start()).exited)
  expect(told).toContainEqual(['resumed', 50_000])
  expect(server.whole()?.equals(bytes)).toBe(true)
})

test('requests become smaller where the server, or a proxy before it, does not take them', async () => {
  await using server = await startTusServer((_nth, _method, length) =>
    length > 70_000 ? { status: 413 } : 'none',
  )
  const { start, finish } = lab({ url: server.url, chunkBytes: 300_000 })
  await finish((await start()).exited)
  expect(server.requests.slice(0, 6)).toEqual([
    'POST',
    'PATCH 0',
    'PATCH 0',
    'PATCH 0',
    'PATCH 0',
    'PATCH 65536',
  ])
  expect(server.whole()?.equals(bytes)).toBe(true)
  await using strict = await startTusServer((_nth, _method, length) =>
    length > 1_000 ? { status: 413 } : 'none',
  )
  const upload = await lab({ url: strict.url }).start()
  await expect(upload.exited).rejects.toMatchObject({ code: 'UPLINK_REFUSED', fields: { status: 413 } })
})

test('requests that are cut become smaller, and larger again where they pass', async () => {
  await using server = await startTusServer((nth) => (nth === 2 ? 'stall' : 'none'))
  const { start, finish } = lab({ url: server.url, chunkBytes: 200_000, stallTimeoutMs: 1_000 })
  await finish((await start()).exited)
  expect(server.requests).toEqual(['POST', 'PATCH 0', 'HEAD', 'PATCH 0', 'PATCH 100000'])
  expect(server.whole()?.equals(bytes)).toBe(true)
})

test('a rate is kept in the long run, and its pauses are no stall', async () => {
  await using server = await startTusServer()
  const rate = { max: 65_536, perMs: 60_000 }
  const { start, finish, clock, told } = lab({ url: server.url, rate, stallTimeoutMs: 5_000 })
  await finish((await start()).exited)
  expect(told).toEqual([])
  expect(server.whole()?.equals(bytes)).toBe(true)
  const atLeastMs = ((bytes.length - 65_536 - rate.max) / rate.max) * rate.perMs
  expect(clock.now()).toBeGreaterThan(atLeastMs)
})

test.each(['100001', '0', '1e9', '-5'])(
  'an offset that cannot be (%s) is asked for again',
  async (offset) => {
    await using server = await startTusServer((nth) =>
      nth === 2 ? { status: 204, headers: { 'upload-offset': offset } } : 'none',
    )
    const { start, finish } = lab({ url: server.url })
    await finish((await start()).exited)
    expect(server.requests.slice(1, 4)).toEqual(['PATCH 0', 'HEAD', 'PATCH 0'])
    expect(server.whole()?.equals(bytes)).toBe(true)
  },
)

test('an answer without an offset is followed by the question for it', async () => {
  await using server = await startTusServer((nth) => (nth === 2 ? 'silent' : 'none'))
  const { start, finish } = lab({ url: server.url })
  await finish((await start()).exited)
  expect(server.requests.slice(1, 4)).toEqual(['PATCH 0', 'HEAD', 'PATCH 100000'])
  expect(server.received()).toBe(bytes.length)
})

test('a server that takes no byte runs into the timeout', async () => {
  await using server = await startTusServer((nth) => (nth === 2 ? 'stall' : 'none'))
  const { start, finish, told, clock } = lab({ url: server.url, stallTimeoutMs: 5_000 })
  const upload = await start()
  await until(() => server.requests.length === 2)
  await clock.advance(4_000)
  expect(told).toEqual([])
  await finish(upload.exited)
  expect(told[0]).toEqual(['retried', 'UPLINK_TIMED_OUT'])
  expect(server.whole()?.equals(bytes)).toBe(true)
})

test('Retry-After is honoured, and attempts without progress are bounded', async () => {
  await using server = await startTusServer(() => ({ status: 503, headers: { 'retry-after': '7' } }))
  const { start, finish, clock } = lab({ url: server.url, attempts: 3 })
  const upload = await start()
  await expect(finish(upload.exited)).rejects.toMatchObject({
    code: 'UPLINK_NOT_ACCEPTED',
    fields: { status: 503 },
  })
  expect(server.requests.length).toBe(3)
  expect(clock.now()).toBeGreaterThanOrEqual(14_000)
  await upload.close()
})

test.each([
  [413, 1],
  [400, 2],
])('%i refuses for good', async (status, at) => {
  await using server = await startTusServer((nth) => (nth === at ? { status } : 'none'))
  const upload = await lab({ url: server.url }).start()
  await expect(upload.exited).rejects.toMatchObject({
    code: 'UPLINK_REFUSED',
    retryable: false,
    fields: { status },
  })
})

test('a Location on another origin is refused: our headers are not for it', async () => {
  await using server = await startTusServer(() => ({
    status: 201,
    headers: { location: 'http://evil.example/1' },
  }))
  const upload = await lab({ url: server.url }).start()
  await expect(upload.exited).rejects.toMatchObject({ code: 'UPLINK_BAD_ANSWER' })
})

test('a file is sent as it was; one that shrank ends the upload', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-upload-'))
  try {
    await using server = await startTusServer()
    const path = join(folder, 'dump')
    await writeFile(path, bytes)
    const body = await fileBody(path)
    await (await lab({ url: server.url, body }).start()).exited
    expect(server.whole()?.equals(bytes)).toBe(true)
    await writeFile(path, bytes.subarray(5))
    expect((await fileBody(path)).version).not.toBe(body.version)
    const shrunk = await lab({ url: server.url, body }).start()
    await expect(shrunk.exited).rejects.toMatchObject({ code: 'UPLOAD_BODY_FAILED' })
    await writeFile(path, bytes)
    const replaced = await fileBody(path)
    const upload = await lab({ url: server.url, body: replaced }).start()
    upload.on('created', () => writeFileSync(path, Buffer.alloc(bytes.length)))
    await expect(upload.exited).rejects.toMatchObject({
      code: 'UPLOAD_BODY_FAILED',
      cause: new Error(`${path} has changed`),
    })
    expect(server.whole()?.length).toBe(0)
    const missing = await lab({ url: server.url, body: { ...body, read: () => gone() } }).start()
    await expect(missing.exited).rejects.toMatchObject({
      code: 'UPLOAD_BODY_FAILED',
      cause: new Error('ENOENT'),
    })
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function* gone(): AsyncGenerator<Uint8Array> {
  yield Buffer.alloc(1)
  throw new Error('ENOENT')
}

test('any faults: what arrives is the body, and no acknowledged byte is sent again', async () => {
  const runs = process.env['HOLDFAST_DEEP'] === '1' ? 500 : 8
  for (let seed = 1; seed <= runs; seed += 1) {
    const random = createSeededRandom(seed)
    const kinds: Fault[] = ['cut', 'stall', 'silent', { status: 503 }, { status: 423 }, { status: 409 }]
    await using server = await startTusServer((_nth, method) => {
      const fault = random() < 0.5 ? kinds[Math.floor(random() * kinds.length)]! : 'none'
      const once = typeof fault === 'object' && fault.status === 409
      return method === 'POST' && (fault === 'cut' || fault === 'silent' || once) ? 'none' : fault
    })
    const { start, finish } = lab({
      url: server.url,
      chunkBytes: 40_000,
      stallTimeoutMs: 1_000,
      attempts: 200,
    })
    await finish((await start()).exited)
    expect([seed, server.whole()?.equals(bytes), server.received()]).toEqual([seed, true, bytes.length])
  }
})
