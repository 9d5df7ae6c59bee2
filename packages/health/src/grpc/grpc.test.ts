import {
  type Client,
  type ClientReadableStream,
  credentials,
  loadPackageDefinition,
  Server,
  ServerCredentials,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { HealthImplementation, protoPath } from 'grpc-health-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Health, startHealth } from '../health.ts'
import { createHealthService, grpcCheck, type HealthService } from './index.ts'

interface StatusAnswer {
  status: string
}

interface HealthClient extends Client {
  check(request: object, done: (error: { code: number } | null, answer?: StatusAnswer) => void): void
  list(
    request: object,
    done: (error: unknown, answer?: { statuses: Record<string, StatusAnswer> }) => void,
  ): void
  watch(request: object): ClientReadableStream<StatusAnswer>
}

let clock: FakeClock
let health: Health
let service: HealthService
let server: Server
let target: string
let client: HealthClient

beforeEach(async () => {
  clock = createFakeClock()
  health = startHealth({ clock, eventLoop: false })
  service = createHealthService({ health, services: { 'shop.Orders': 'ready' } })
  server = new Server()
  server.addService(service.definition, service.implementation)
  const port = await listen(server)
  target = `127.0.0.1:${port}`
  client = connect()
})

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  )
}

afterEach(async () => {
  client.close()
  service.close()
  server.forceShutdown()
  await health.close()
})

/** A client made from the protocol's own definition: it owes nothing to our reading and writing of messages. */
function connect(): HealthClient {
  const loaded = loadPackageDefinition(loadSync(protoPath, { enums: String, defaults: true })) as never as {
    grpc: { health: { v1: { Health: new (...given: unknown[]) => HealthClient } } }
  }
  return new loaded.grpc.health.v1.Health(target, credentials.createInsecure())
}

function check(service?: string): Promise<string> {
  return new Promise((resolve, reject) =>
    client.check({ service }, (error, answer) => (error ? reject(error) : resolve(answer!.status))),
  )
}

test('Check: the server as a whole is the ready gate, and each gate and service has its name', async () => {
  expect(await Promise.all(['', 'ready', 'live', 'startup', 'shop.Orders'].map(check))).toEqual(
    Array(5).fill('SERVING'),
  )
  health.fail('ready', 'stopping')
  expect(await Promise.all(['', 'ready', 'live', 'shop.Orders'].map(check))).toEqual([
    'NOT_SERVING',
    'NOT_SERVING',
    'SERVING',
    'NOT_SERVING',
  ])
  expect(await check(undefined)).toBe('NOT_SERVING')
})

test('Check: a service that is not known is NOT_FOUND', async () => {
  await expect(check('shop.Nobody')).rejects.toMatchObject({ code: 5 })
  await expect(check('ü'.repeat(300))).rejects.toMatchObject({ code: 5 })
})

test('List tells all at once', async () => {
  health.fail('startup', 'starting')
  const answer = await new Promise<{ statuses: Record<string, StatusAnswer> }>((resolve, reject) =>
    client.list({}, (error, listed) => (error ? reject(error) : resolve(listed!))),
  )
  expect(answer.statuses).toEqual({
    '': { status: 'NOT_SERVING' },
    startup: { status: 'NOT_SERVING' },
    ready: { status: 'NOT_SERVING' },
    live: { status: 'SERVING' },
    'shop.Orders': { status: 'NOT_SERVING' },
  })
})

test('Watch: the status at once, then each change once; closing the service ends it', async () => {
  const told: string[] = []
  const stream = client.watch({ service: 'ready' })
  const ended = new Promise((resolve) => stream.on('end', resolve))
  const heard = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void =>
        told.length >= count ? resolve() : void stream.once('data', () => setImmediate(look))
      look()
    })
  stream.on('data', ({ status }: StatusAnswer) => told.push(status))
  await heard(1)
  health.fail('live', 'not of interest here')
  const release = health.fail('ready', 'first')
  health.fail('ready', 'second')()
  await heard(2)
  release()
  await heard(3)
  service.close()
  service.close()
  await ended
  expect(told).toEqual(['SERVING', 'NOT_SERVING', 'SERVING'])
})

test('Watch: who asks for a service that is not known is told so and may wait; who leaves is forgotten', async () => {
  const stream = client.watch({ service: 'shop.Nobody' })
  const [answer] = await new Promise<StatusAnswer[]>((resolve) =>
    stream.once('data', (data) => resolve([data])),
  )
  expect(answer).toEqual({ status: 'SERVICE_UNKNOWN' })
  const cancelled = new Promise((resolve) => stream.once('error', resolve))
  stream.cancel()
  await expect(cancelled).resolves.toMatchObject({ code: 1 })
})

test('grpcCheck asks such a server: serving, not serving, not known, not there', async () => {
  const run = (options: object): Promise<unknown> =>
    grpcCheck({ name: 'orders', target, ...options }).run(new AbortController().signal) as Promise<unknown>
  await run({})
  await run({ service: 'shop.Orders' })
  await expect(run({ service: 'shop.Nobody' })).rejects.toMatchObject({
    code: 'CHECK_FAILED',
    fields: { status: 'NOT_FOUND' },
  })
  health.fail('ready', 'stopping')
  await expect(run({})).rejects.toMatchObject({
    code: 'CHECK_FAILED',
    message: expect.stringContaining('NOT_SERVING'),
  })
  server.forceShutdown()
  await expect(run({})).rejects.toMatchObject({ fields: { status: 'UNAVAILABLE' } })
  await expect(grpcCheck({ name: 'orders', target }).run(AbortSignal.abort())).rejects.toMatchObject({
    fields: { status: 'CANCELLED' },
  })
})

test('grpcCheck understands gRPC’s own implementation of the service', async () => {
  const peer = new Server()
  const theirs = new HealthImplementation({ '': 'SERVING', 'shop.Orders': 'NOT_SERVING' })
  theirs.addToServer(peer as never)
  const port = await listen(peer)
  const ask = (service: string): Promise<unknown> =>
    grpcCheck({ name: 'peer', target: `127.0.0.1:${port}`, service }).run(new AbortController().signal)
  try {
    await ask('')
    await expect(ask('shop.Orders')).rejects.toMatchObject({
      message: expect.stringContaining('NOT_SERVING'),
    })
    await expect(ask('shop.Nobody')).rejects.toMatchObject({ fields: { status: 'NOT_FOUND' } })
    theirs.setStatus('shop.Orders', 'SERVING')
    await ask('shop.Orders')
  } finally {
    peer.forceShutdown()
  }
})

test('bad options are refused at once', () => {
  expect(() => createHealthService({ health: {} as never })).toThrow(/health/)
  expect(() => createHealthService({ health, services: { a: 'alive' as never } })).toThrow(/services\.a/)
  expect(() => grpcCheck({ name: 'x', target: '' })).toThrow(/target/)
})
