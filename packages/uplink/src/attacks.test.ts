import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { advanceUntil, createLabQueue, until } from './lab.test.kit.ts'
import type { UplinkOptions } from './types.ts'
import { startUplink } from './uplink.ts'

// What stands at the other end of a real network: raw sockets that say what no HTTP server would.

const ok = 'HTTP/1.1 204 No Content\r\n\r\n'

/** One server whose first connection is attacked, and whose later ones work. */
async function underAttack(attack: (socket: Socket) => void, options: Partial<UplinkOptions> = {}) {
  const sockets = new Set<Socket>()
  const bodies: string[] = []
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => socket.destroy()))
    if (sockets.size === 1) attack(socket)
    else
      socket.on('data', (data) => {
        bodies.push(data.toString())
        if (data.toString().endsWith('}\n')) socket.write(ok)
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const clock = createFakeClock()
  const queue = createLabQueue(clock)
  const uplink = await startUplink({
    ...{ queue, clock, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` },
    ...{
      requestTimeoutMs: 2_000,
      backoff: { minMs: 10, maxMs: 10 },
      batch: { maxAgeMs: 0 },
      compression: 'none',
    },
    ...options,
  })
  const codes: unknown[] = []
  uplink.on('retried', ({ error }) => codes.push((error as { code?: string }).code))
  return {
    ...{ queue, clock, codes, bodies, uplink },
    async [Symbol.asyncDispose]() {
      await uplink.close()
      for (const socket of sockets) socket.destroy()
      server.close()
      expect(clock.sleepers).toBe(0)
    },
  }
}

const onRequest = (socket: Socket, answer: () => void): unknown => socket.once('data', answer)

const attacks: Record<string, [(socket: Socket) => void, string]> = {
  'takes everything and says nothing': [(socket) => socket.resume(), 'UPLINK_TIMED_OUT'],
  'takes nothing and says nothing': [(socket) => socket.pause(), 'UPLINK_TIMED_OUT'],
  'answers a byte at a time, for ever': [
    (socket) =>
      onRequest(socket, () => {
        socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
        const drip = setInterval(() => socket.write('1\r\nx\r\n'), 1)
        socket.on('close', () => clearInterval(drip))
      }),
    'UPLINK_TIMED_OUT',
  ],
  'speaks no HTTP': [
    (socket) => onRequest(socket, () => socket.write('SSH-2.0-OpenSSH\r\n')),
    'UPLINK_REQUEST_FAILED',
  ],
  'answers with more headers than fit': [
    (socket) => onRequest(socket, () => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(1e5)}\r\n\r\n`)),
    'UPLINK_REQUEST_FAILED',
  ],
  'cuts the answer before its end': [
    (socket) =>
      onRequest(socket, () => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhal')),
    'UPLINK_REQUEST_FAILED',
  ],
  'cuts the answer in its status line': [
    (socket) => onRequest(socket, () => socket.end('HTTP/1.1 20')),
    'UPLINK_REQUEST_FAILED',
  ],
  'resets the connection in the middle of the body': [
    (socket) => onRequest(socket, () => socket.resetAndDestroy()),
    'UPLINK_REQUEST_FAILED',
  ],
  'sends us elsewhere': [
    (socket) =>
      onRequest(socket, () =>
        socket.end(
          'HTTP/1.1 307 Temporary Redirect\r\nlocation: http://evil.example/\r\ncontent-length: 0\r\n\r\n',
        ),
      ),
    'UPLINK_NOT_ACCEPTED',
  ],
  'goes on saying wait': [
    (socket) => onRequest(socket, () => socket.write('HTTP/1.1 102 Processing\r\n\r\n'.repeat(10))),
    'UPLINK_TIMED_OUT',
  ],
}

test.each(Object.entries(attacks))('a collector that %s', async (_name, [attack, code]) => {
  await using own = await underAttack(attack)
  own.queue.put('a'.repeat(100_000), 2)
  await advanceUntil(own.clock, 50, () => own.queue.ids('acked').length === 2)
  expect(own.codes).toEqual([code])
})

test('an answer before the whole body counts, and the connection is not used again', async () => {
  let first: Socket | undefined
  let isClosed = false
  await using own = await underAttack((socket) => {
    first = socket.on('close', () => {
      isClosed = true
    })
    onRequest(socket, () => {
      socket.pause().write('HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\n\r\n')
    })
  })
  own.queue.put('a'.repeat(20_000_000))
  await until(() => own.queue.ids('buried').length === 1)
  first?.resume()
  own.queue.put(2)
  await until(() => own.queue.ids('acked').length === 1 && isClosed)
  expect(own.codes).toEqual([])
})

test('answers in advance are not taken for the answer to the next request', async () => {
  const twice = (socket: Socket): unknown =>
    onRequest(socket, () => socket.write('HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'))
  await using own = await underAttack(twice)
  own.queue.put(1)
  await advanceUntil(own.clock, 50, () => own.queue.ids('acked').length === 1)
  own.queue.put(2)
  await advanceUntil(own.clock, 50, () => own.queue.ids('acked').length === 2)
  expect(own.bodies.join('')).toContain('"id":"m2"')
})

test.each(['http://nowhere.invalid/', 'http://127.0.0.1:1/', 'https://127.0.0.1:1/'])(
  '%s leaves the backlog intact, and the stop ends at once',
  async (url) => {
    await using own = await underAttack(() => {}, { url, requestTimeoutMs: 1e9 })
    own.queue.put(1, 2)
    await advanceUntil(own.clock, 10, () => own.codes.length > 2)
    await own.uplink.close()
    expect(new Set(own.codes)).toEqual(new Set(['UPLINK_REQUEST_FAILED']))
    expect(own.queue.ids('ready')).toEqual(['m1', 'm2'])
  },
)
