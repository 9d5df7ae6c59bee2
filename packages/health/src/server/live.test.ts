import { createHash } from 'node:crypto'
import { get, type IncomingMessage } from 'node:http'
import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Health, startHealth } from '../health.ts'
import { statusPage, statusPagePolicy } from './page/page.ts'
import { type HealthServer, startHealthServer } from './server.ts'

let clock: FakeClock
let health: Health
let server: HealthServer

beforeEach(async () => {
  clock = createFakeClock()
  const run = (): Promise<void> => Promise.reject(new Error('hunter2'))
  health = startHealth({
    clock,
    eventLoop: false,
    random: () => 0.9,
    checks: [{ name: 'db', failAfter: 1, run }],
  })
  server = await startHealthServer({
    health,
    port: 0,
    clock,
    title: 'reef-7',
    stats: { queue: () => ({ queue_bytes: { kind: 'gauge', help: 'Bytes held', value: 7 } }) },
  })
})

afterEach(async () => {
  await server.close()
  await health.close()
  expect(clock.sleepers).toBe(0)
})

interface Reader {
  readonly response: IncomingMessage
  /** Waits for the next state that was pushed. */
  next(): Promise<{
    gates: { gate: string; ok: boolean; why: string[]; sinceMs: number }[]
    checks: object[]
  }>
}

async function read(): Promise<Reader> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${server.url}/events`, { agent: false }, resolve).on('error', reject)
  })
  const chunks = response.setEncoding('utf8')[Symbol.asyncIterator]()
  let text = ''
  const next: Reader['next'] = async () => {
    while (!text.includes('\n\n')) text += (await chunks.next()).value
    const [event, ...rest] = text.split('\n\n')
    text = rest.join('\n\n')
    return JSON.parse(/^data: (.*)$/m.exec(event!)![1]!)
  }
  response.on('error', () => undefined)
  return { response, next }
}

test('the state comes at once, again with every change, and every two seconds; the error itself never does', async () => {
  const { response, next } = await read()
  expect(response.headers['content-type']).toBe('text/event-stream')
  const first = await next()
  expect(first).toMatchObject({
    title: 'reef-7',
    checks: [{ name: 'db', status: 'fail', output: 'Error', sinceMs: 0 }],
    figures: [{ source: 'queue', stats: { queue_bytes: { kind: 'gauge', value: 7 } } }],
  })
  expect(JSON.stringify(first)).not.toContain('hunter2')
  await clock.advance(300)
  health.fail('live', 'deadlocked')
  await clock.advance(0)
  expect((await next()).gates.find(({ gate }) => gate === 'live')).toMatchObject({
    ok: false,
    sinceMs: 0,
    why: ['deadlocked'],
  })
  await clock.advance(2_000)
  expect((await next()).checks).toMatchObject([{ ageMs: 2_300, sinceMs: 2_300 }])
  await clock.advance(300)
  await server.close() // between two pushes, and at once: this clock does not go on by itself
})

test('many changes within 200 ms are pushed once, the latest at their end', async () => {
  const { next } = await read()
  await next()
  for (let turn = 0; turn < 50; turn += 1) {
    health.fail('ready', `reason ${turn}`)()
    health.fail('live', `reason ${turn}`)()
    await clock.advance(3)
  }
  health.fail('live', 'the last')
  await clock.advance(50)
  expect((await next()).gates.find(({ gate }) => gate === 'live')?.why).toEqual(['the last'])
  await clock.advance(2_000)
  expect((await next()).gates.find(({ gate }) => gate === 'live')).toMatchObject({ sinceMs: 2_050 })
})

test('a reader who leaves is forgotten, and with the last one the timer', async () => {
  const { response, next } = await read()
  await next()
  const sweeping = clock.sleepers
  response.destroy()
  for (let turn = 0; clock.sleepers === sweeping && turn < 1_000; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(2_000)
  }
  expect(clock.sleepers).toBe(sweeping - 1)
})

test('no more than 32 read at once, and closing ends them all', async () => {
  const readers = await Promise.all(Array.from({ length: 32 }, read))
  const refused = await read()
  expect(refused.response.statusCode).toBe(503)
  const ended = readers.map(({ response }) => new Promise((resolve) => response.on('close', resolve)))
  for (const { response } of readers) response.resume()
  await server.close()
  await Promise.all(ended)
})

test('the page stands alone, and its policy lets nothing run but its own style and script', async () => {
  const response = await fetch(`${server.url}/`)
  const page = await response.text()
  expect(page).toBe(statusPage)
  expect(response.headers.get('content-security-policy')).toBe(statusPagePolicy)
  for (const tag of ['style', 'script']) {
    const text = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(page)?.[1] ?? ''
    expect(statusPagePolicy).toContain(
      `${tag}-src 'sha256-${createHash('sha256').update(text).digest('base64')}'`,
    )
  }
  expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:\/\//)
})
