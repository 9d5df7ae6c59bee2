import { createHash } from 'node:crypto'
import { get, type IncomingMessage } from 'node:http'
import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Health, startHealth } from '../health.ts'
import { statusPage, statusPagePolicy } from './page.ts'
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
  server = await startHealthServer({ health, port: 0, clock })
})

afterEach(async () => {
  await server.close()
  await health.close()
  expect(clock.sleepers).toBe(0)
})

interface Reader {
  readonly response: IncomingMessage
  /** Waits for the next state that was pushed. */
  next(): Promise<{ gates: { gate: string; ok: boolean; why: string[] }[]; checks: object[] }>
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
    return JSON.parse(event!.replace(/^data: /, ''))
  }
  response.on('error', () => undefined)
  return { response, next }
}

test('the state comes at once, again with every change, and every two seconds; the error itself never does', async () => {
  const { response, next } = await read()
  expect(response.headers['content-type']).toBe('text/event-stream')
  const first = await next()
  expect(first.checks).toMatchObject([{ name: 'db', status: 'fail', output: 'Error' }])
  expect(JSON.stringify(first)).not.toContain('hunter2')
  health.fail('live', 'deadlocked')
  expect((await next()).gates.find(({ gate }) => gate === 'live')).toMatchObject({
    ok: false,
    why: ['deadlocked'],
  })
  await clock.advance(2_000)
  expect((await next()).checks).toMatchObject([{ ageMs: 2_000 }])
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
  expect(page).not.toMatch(/https?:\/\//)
})
