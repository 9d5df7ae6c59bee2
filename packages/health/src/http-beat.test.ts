import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { httpBeat } from './http-beat.ts'

test('a beat is posted as JSON, and any answer but 2xx is a refusal that names no path', async () => {
  const heard: unknown[] = []
  let status = 204
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    heard.push([request.method, request.headers['x-host'], JSON.parse(Buffer.concat(parts).toString())])
    response.writeHead(status, { location: '/' }).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const send = httpBeat({ url: `http://127.0.0.1:${port}/beats/hunter2`, headers: { 'x-host': 'seven' } })
  const beat = { incarnation: 1, sequence: 2, intervalMs: 3 }
  const { signal } = new AbortController()
  try {
    await send(beat, signal)
    expect(heard).toEqual([['POST', 'seven', beat]])
    status = 503
    const refused = await send(beat, signal).catch((error: unknown) => error)
    expect(refused).toMatchObject({ code: 'BEAT_REFUSED', retryable: true, fields: { status: 503 } })
    expect(String(refused)).not.toContain('hunter2')
    status = 307
    await expect(send(beat, signal)).rejects.toThrow()
    await expect(send(beat, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  } finally {
    server.close()
    server.closeAllConnections()
  }
})

test('what is no HTTP URL is refused at once, untold', () => {
  expect(() => httpBeat({ url: 'hunter2' })).toThrow(/url must be/)
  expect(() => httpBeat({ url: 'ftp://a/' })).toThrow(/protocol/)
})
