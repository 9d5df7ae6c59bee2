import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
