import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createSocketServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAgent } from '@holdfast/agent'
import { isHoldfastError } from '@holdfast/core'
import { openQueue } from '@holdfast/queue'
import { startUplink } from '@holdfast/uplink'
import { expect, onTestFinished, test } from 'vitest'

test('ten stops with the collector down bury nothing: once it is up, each message arrives once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-stops-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const queue = await openQueue<number>(folder, { maxAttempts: 3 })
  onTestFinished(() => queue.close())
  const values = Array.from({ length: 20 }, (_, n) => n)
  await queue.enqueueMany(values)

  const arrived: number[] = []
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      for (const line of Buffer.concat(chunks).toString().trim().split('\n'))
        arrived.push((JSON.parse(line) as { value: number }).value)
      response.writeHead(204).end()
    })
  })
  // A port of ours, where nobody listens until it is opened again.
  const port = await listen(0)
  await shut()
  const options = {
    ...{ queue, url: `http://127.0.0.1:${port}/`, compression: 'none' as const },
    ...{ batch: { maxMessages: 8, maxAgeMs: 0 }, backoff: { minMs: 1, maxMs: 5 } },
  }

  for (let stop = 0; stop < 10; stop++) {
    const uplink = await startUplink(options)
    await new Promise<void>((resolve) => uplink.on('retried', () => resolve()))
    expect(queue.size.inFlight).toBeGreaterThan(0)
    await uplink.close()
    expect(queue.size).toMatchObject({ ready: values.length, inFlight: 0, delayed: 0, dead: 0 })
  }

  await listen(port)
  onTestFinished(shut)
  const uplink = await startUplink(options)
  await queue.whenEmpty()
  await uplink.close()
  expect(arrived).toEqual(values)
  expect(queue.size.dead).toBe(0)

  async function listen(on: number): Promise<number> {
    collector.listen(on, '127.0.0.1')
    await once(collector, 'listening')
    return (collector.address() as AddressInfo).port
  }

  async function shut(): Promise<void> {
    collector.closeAllConnections()
    collector.close()
    await once(collector, 'close')
  }
})

test.each(['refuses connections', 'takes everything and says nothing'])(
  'an agent stops within its budget before a collector that %s, the backlog intact',
  async (collector) => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-stops-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const isSilent = collector.startsWith('takes')
    const server = createSocketServer((socket) => void socket.resume().on('error', () => socket.destroy()))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    if (!isSilent) await once(server.close(), 'close')

    // With a timeout of an hour for a request, only the budget can end the stop in time.
    let fail: (() => void) | undefined
    const failed = new Promise<void>((resolve) => {
      fail = resolve
    })
    const agent = await createAgent()
      .unit('queue', [], () => openQueue<number>(folder))
      .unit(
        'uplink',
        ['queue'],
        async ({ queue }) => {
          await queue.enqueueMany([1, 2, 3])
          const url = `http://127.0.0.1:${port}/`
          const uplink = await startUplink({ queue, url, requestTimeoutMs: 3_600_000 })
          uplink.on('retried', () => fail?.())
          server.once('connection', () => fail?.())
          return uplink
        },
        { stopTimeoutMs: 200 },
      )
      .start()
    await failed
    const ended = await agent.close().catch((error: unknown) => error)
    // A request in flight has the drain's time to succeed; one that waits for the collector is given back at once.
    expect(isHoldfastError(ended)).toBe(isSilent)

    const queue = await openQueue<number>(folder)
    onTestFinished(() => queue.close())
    expect(queue.recovery.unclean).toBe(false)
    expect((await queue.take({ max: 10 })).map(({ value, attempt }) => [value, attempt])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
    ])
  },
)
