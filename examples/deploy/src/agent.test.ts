import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { createGunzip } from 'node:zlib'
import { memorySource } from '@holdfast/config'
import { openMemoryQueue } from '@holdfast/queue/testing'
import { expect, test } from 'vitest'
import { createEdgeAgent } from './agent.ts'
import { readEnvironment } from './environment.ts'
import type { Reading } from './readings.ts'

test('what is missing or wrong in the environment is named, all of it at once', () => {
  expect(() => readEnvironment({ COLLECTOR_URL: 'ftp://x', HEALTH_PORT: '70000' })).toThrow(
    /STATE_DIR.*\nSETTINGS_FILE.*\nBACKUP_DIR.*\nCOLLECTOR_URL.*\nHEALTH_PORT/,
  )
})

test('answers its probes from the start on, reads, follows its settings, and stops in order', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-deploy-'))
  const settings = memorySource({ site: 'reef-1', sampleMs: 10 })
  const queue = await openMemoryQueue<Reading>()
  const collector = createServer(async (request, response) => {
    const zipped = request.headers['content-encoding'] === 'gzip'
    received += await text(zipped ? request.pipe(createGunzip()) : request)
    response.writeHead(204).end()
    collector.emit('taken')
  }).listen(0, '127.0.0.1')
  await once(collector, 'listening')
  let received = ''
  const environment = readEnvironment({
    STATE_DIR: folder,
    BACKUP_DIR: join(folder, 'backup'),
    SETTINGS_FILE: 'not read',
    COLLECTOR_URL: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
    HEALTH_PORT: '0',
    DRAIN_DELAY_MS: '0',
  })
  const agent = createEdgeAgent({
    environment,
    systemd: {},
    adapters: { queue: async () => queue, settings },
  })
  const order: string[] = []
  agent.on('started', ({ unit }) => order.push(unit))
  try {
    const running = await agent.start()
    expect(order.slice(0, 3).sort()).toEqual(['health', 'probes', 'systemd'])
    expect(order.at(-1)).toBe('traffic')
    settings.set({ site: 'reef-2', sampleMs: 10 })
    while (!received.includes('reef-2')) await once(collector, 'taken')
    order.length = 0
    agent.on('stopped', ({ unit }) => order.push(unit))
    await running.close()
    expect(order[0]).toBe('traffic')
    expect(order.slice(-3)).toContain('probes')
    expect(order.at(-1)).toBe('health')
  } finally {
    collector.close()
    collector.closeAllConnections()
    await rm(folder, { recursive: true, force: true })
  }
})
