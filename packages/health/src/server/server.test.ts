import { request } from 'node:http'
import { createServer } from 'node:net'
import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Check } from '../check.ts'
import { healthError } from '../errors.ts'
import { type Health, startHealth } from '../health.ts'
import { type HealthServer, startHealthServer } from './server.ts'

let clock: FakeClock
let health: Health
let server: HealthServer
const down = new Set<string>()

beforeEach(async () => {
  down.clear()
  clock = createFakeClock()
  health = startHealth({
    clock,
    random: () => 1,
    eventLoop: false,
    checks: [check('db'), check('api', { needs: ['db'] })],
  })
  server = await startHealthServer({
    health,
    port: 0,
    stats: { queue: () => ({ queue_bytes: { kind: 'gauge', help: 'Bytes held', value: 7 } }) },
  })
})

afterEach(async () => {
  await server.close()
  await health.close()
})

function check(name: string, options: Partial<Check> = {}): Check {
  return {
    name,
    intervalMs: 1_000,
    failAfter: 1,
    ...options,
    run: async () => {
      if (down.has(name)) throw healthError('CHECK_FAILED', `${name} is out`)
      return { value: 3, unit: 'ms' }
    },
  }
}

/** Over a connection of its own, as a kubelet asks. */
async function ask(
  path: string,
  method = 'GET',
): Promise<{ status: number; type: string | undefined; body: string; allow?: string | undefined }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${server.url}${path}`, { method, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part
      })
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          type: response.headers['content-type'],
          body,
          allow: response.headers.allow,
        }),
      )
    })
    sent.on('error', reject).end()
  })
}

test('it listens on loopback unless told otherwise', () => {
  expect(server.host).toBe('127.0.0.1')
  expect(server.url).toBe(`http://127.0.0.1:${server.port}`)
})

test('the gates answer 200 or 503 and no more than a word', async () => {
  const release = health.fail('ready', 'not yet')
  expect(await ask('/readyz')).toMatchObject({ status: 503, body: 'fail\n' })
  release()
  expect(await ask('/startupz')).toMatchObject({ status: 200, body: 'ok\n' })
  await clock.advance(0)
  expect(await ask('/readyz')).toMatchObject({ status: 200, body: 'ok\n', type: 'text/plain; charset=utf-8' })
  expect(await ask('/livez')).toMatchObject({ status: 200, body: 'ok\n' })
  expect(await ask('/readyz', 'HEAD')).toMatchObject({ status: 200, body: '' })
})

test('verbose tells of every check and why the gate is closed', async () => {
  await clock.advance(0)
  down.add('db')
  await clock.advance(1_000)
  expect((await ask('/readyz?verbose')).body.split('\n')).toEqual([
    '[-] db fail: CHECK_FAILED: db is out',
    '[?] api unknown, blocked by db',
    'ready: db is fail: CHECK_FAILED: db is out',
    'ready: api is blocked by db',
    'ready: fail',
    '',
  ])
})

test('healthz is health+json: pass, warn or fail, and its checks only when asked', async () => {
  await clock.advance(0)
  const { status, type, body } = await ask('/healthz')
  expect([status, type]).toEqual([200, 'application/health+json'])
  expect(JSON.parse(body)).toEqual({
    status: 'pass',
    gates: {
      startup: { ok: true, status: 'pass', sinceMs: 0 },
      ready: { ok: true, status: 'pass', sinceMs: 0 },
      live: { ok: true, status: 'pass', sinceMs: 0 },
    },
  })
  down.add('db')
  await clock.advance(1_000)
  const failing = await ask('/healthz?verbose=1')
  expect(failing.status).toBe(503)
  expect(JSON.parse(failing.body)).toMatchObject({
    status: 'fail',
    checks: {
      db: [{ status: 'fail', output: 'CHECK_FAILED: db is out', failures: 1, gates: ['ready'] }],
      api: [{ status: 'fail', unknown: true, blockedBy: ['db'] }],
    },
  })
})

test('metrics hold the gates, the checks, and the figures of every source', async () => {
  await clock.advance(0)
  down.add('db')
  await clock.advance(1_000)
  const { status, type, body } = await ask('/metrics')
  expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
  expect(body.split('\n')).toEqual(
    expect.arrayContaining([
      'health_gate_open{gate="ready"} 0',
      'health_gate_open{gate="live"} 1',
      'health_check_passing{check="db"} 0',
      'health_check_consecutive_failures{check="db"} 1',
      'health_check_age_seconds{check="api"} 1',
      'health_runs_total 3',
      'queue_bytes{source="queue"} 7',
    ]),
  )
})

test('a source that throws is told of and costs nobody else their figures', async () => {
  const broken = await startHealthServer({
    health,
    port: 0,
    stats: {
      broken: () => {
        throw new Error('closed')
      },
      fine: () => ({ fine_total: { kind: 'counter', help: 'Fine', value: 1 } }),
    },
  })
  const told: unknown[] = []
  broken.on('scrapeFailed', (source, error) => told.push(source, error))
  const body = await (await fetch(`${broken.url}/metrics`)).text()
  await broken.close()
  expect(body).toContain('fine_total{source="fine"} 1')
  expect(told).toEqual(['broken', new Error('closed')])
})

test('figures come and go while it runs; a name that is taken adds nothing', async () => {
  const figure = { late_total: { kind: 'counter' as const, help: 'Late', value: 2 } }
  const remove = server.addStats({ late: () => figure })
  expect((await ask('/metrics')).body).toContain('late_total{source="late"} 2')
  expect(() => server.addStats({ other: () => figure, queue: () => figure })).toThrow(
    'stats.queue must be unique',
  )
  expect((await ask('/metrics')).body).not.toContain('source="other"')
  remove()
  const again = server.addStats({ late: () => figure })
  remove()
  expect((await ask('/metrics')).body).toContain('source="late"')
  again()
  expect((await ask('/metrics')).body).not.toContain('source="late"')
  expect(() => server.addStats({ bad: 1 as never })).toThrow('stats.bad')
})

test('other paths are not found and nothing can be written', async () => {
  expect(await ask('/nothing')).toMatchObject({ status: 404 })
  expect(await ask('/readyz/db')).toMatchObject({ status: 404 })
  expect(await ask('/__proto__')).toMatchObject({ status: 404 })
  expect(await ask('/constructor?verbose')).toMatchObject({ status: 404 })
  expect(await ask('/readyz', 'POST')).toMatchObject({ status: 405, allow: 'GET, HEAD' })
})

test('it answers through the whole end of the process, until it is closed', async () => {
  await clock.advance(0)
  const drained = health.drain()
  expect([(await ask('/readyz')).status, (await ask('/livez')).status]).toEqual([503, 200])
  await clock.advance(5_000)
  await drained
  await health.close()
  expect([(await ask('/readyz')).status, (await ask('/livez')).status]).toEqual([503, 200])
  await Promise.all([server.close(), server.close()])
  await expect(ask('/livez')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
})

test('closing does not wait for a connection that somebody keeps open', async () => {
  await fetch(`${server.url}/livez`).then((answer) => answer.text())
  await server.close()
})

test('a port in use has a code of its own, and so has an address that is not here', async () => {
  await expect(startHealthServer({ health, port: server.port })).rejects.toMatchObject({
    code: 'HEALTH_PORT_IN_USE',
    retryable: true,
    fields: { port: server.port, host: '127.0.0.1' },
  })
  await expect(startHealthServer({ health, port: 0, host: '192.0.2.1' })).rejects.toMatchObject({
    code: 'HEALTH_LISTEN_FAILED',
  })
  await expect(startHealthServer({ health, port: 65_536 })).rejects.toThrow(/port/)
  await expect(startHealthServer({ health: {} as never, port: 0 })).rejects.toThrow(/health must have probe/)
})

test('no URL with a password, no message of a driver and no error field leaves the process', async () => {
  const remove = health.add([
    { name: 'driver', failAfter: 1, run: () => Promise.reject(new Error('redis://:hunter2@cache refused')) },
    {
      name: 'coded',
      failAfter: 1,
      run: () =>
        Promise.reject(
          healthError('CHECK_FAILED', 'it is out', {
            cause: new Error('hunter2'),
            fields: { token: 'hunter2' },
          }),
        ),
    },
  ])
  await clock.advance(0)
  for (const path of ['/readyz?verbose', '/healthz?verbose', '/metrics']) {
    const { body } = await ask(path)
    expect(body).toContain('driver')
    expect(body).not.toContain('hunter2')
  }
  remove()
})

test('a free port is one that another program may have taken meanwhile', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  const { port } = other.address() as { port: number }
  await expect(startHealthServer({ health, port })).rejects.toMatchObject({ code: 'HEALTH_PORT_IN_USE' })
  await new Promise((resolve) => other.close(resolve))
  const own = await startHealthServer({ health, port })
  expect(own.port).toBe(port)
  await own.close()
})
