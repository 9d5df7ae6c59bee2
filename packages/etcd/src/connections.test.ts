import { coordinationError } from '@holdfast/coordination'
import type { HoldfastError } from '@holdfast/core'
import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { beforeEach, expect, test } from 'vitest'
import type { Connection } from './connection.ts'
import { type Connections, createConnections } from './connections.ts'

type Fake = Pick<Connection, 'endpoint' | 'broken' | 'heardMs' | 'break' | 'onBroken' | 'retire'>
type Behaviour = 'serves' | 'refuses' | 'denies' | 'silent' | number

const lost = coordinationError('STORE_UNAVAILABLE', 'lost')
let clock: FakeClock
let behaviours: Record<string, Behaviour>
let log: string[]

beforeEach(() => {
  clock = createFakeClock()
  behaviours = { a: 'serves', b: 'serves', c: 'serves' }
  log = []
})

function create(): Connections<Connection> {
  return createConnections<Connection>({
    endpoints: ['a', 'b', 'c'],
    dial,
    onConnected: ({ endpoint }) => log.push(`connected ${endpoint} at ${clock.now()}`),
    timeoutMs: 1_000,
    clock,
    random: () => 0,
  })
}

async function dial(endpoint: string, signal: AbortSignal): Promise<Connection> {
  const behaviour = behaviours[endpoint]!
  log.push(`dial ${endpoint} at ${clock.now()}`)
  if (behaviour === 'refuses') throw coordinationError('STORE_UNAVAILABLE', `${endpoint} refuses`)
  if (behaviour === 'denies') throw coordinationError('STORE_DENIED', `${endpoint} denies`)
  if (behaviour !== 'serves')
    await clock.sleep(behaviour === 'silent' ? Number.POSITIVE_INFINITY : behaviour, signal)
  signal.throwIfAborted()
  return fake(endpoint) as Connection
}

function fake(endpoint: string): Fake {
  let broken: HoldfastError | undefined
  let listener: ((reason: HoldfastError) => void) | undefined
  return {
    endpoint,
    get broken() {
      return broken
    },
    heardMs: clock.now(),
    break(reason) {
      broken ??= reason
      log.push(`broke ${endpoint}`)
      listener?.(reason)
    },
    onBroken(added) {
      listener = added
    },
    retire: () => log.push(`retired ${endpoint}`),
  }
}

test('all who wait share one dial, and its connection', async () => {
  const connections = create()
  const [first, second] = await Promise.all([connections.current(), connections.current()])
  expect(first).toBe(second)
  expect(await connections.current()).toBe(first)
  expect(log).toEqual(['dial a at 0', 'connected a at 0'])
})

test('the next endpoint is tried at once after a refusal, and after a while of silence beside the silent one', async () => {
  behaviours = { a: 'refuses', b: 'silent', c: 'serves' }
  const connections = create()
  const connecting = connections.current()
  await clock.advance(249)
  expect(log).toEqual(['dial a at 0', 'dial b at 0'])
  await clock.advance(1)
  expect((await connecting).endpoint).toBe('c')
  expect(log.slice(2)).toEqual(['dial c at 250', 'connected c at 250'])
  expect(clock.sleepers).toBe(0)
})

test('the first that serves wins, though it was dialled earlier', async () => {
  behaviours = { a: 300, b: 'silent', c: 'silent' }
  const connections = create()
  const connecting = connections.current()
  await clock.advance(300)
  expect((await connecting).endpoint).toBe('a')
  expect(log).toEqual(['dial a at 0', 'dial b at 250', 'connected a at 300'])
})

test('after a break the next endpoint comes first', async () => {
  const connections = create()
  ;(await connections.current()).break(lost)
  expect(connections.live).toBe(undefined)
  expect((await connections.current()).endpoint).toBe('b')
})

test('nobody serves: the error names all, a denial goes before, and the next call dials anew', async () => {
  behaviours = { a: 'refuses', b: 'refuses', c: 'refuses' }
  const connections = create()
  await expect(connections.current()).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(/a refuses.*b refuses.*c refuses/),
    fields: { endpoints: ['a', 'b', 'c'] },
  })
  behaviours['b'] = 'denies'
  await expect(connections.current()).rejects.toMatchObject({ code: 'STORE_DENIED' })
  behaviours['c'] = 'serves'
  expect((await connections.current()).endpoint).toBe('c')
})

test('all silent: the dial ends by its deadline and leaves nothing behind', async () => {
  behaviours = { a: 'silent', b: 'silent', c: 'silent' }
  const failed = create()
    .current()
    .catch((error: HoldfastError) => error.code)
  await clock.advance(1_000)
  expect(await failed).toBe('STORE_UNAVAILABLE')
  await clock.advance(0)
  expect(clock.sleepers).toBe(0)
})

test('only a connection that was not heard since is suspect', async () => {
  const connections = create()
  await connections.current()
  connections.suspect(0)
  expect(connections.live?.endpoint).toBe('a')
  connections.suspect(1)
  expect(connections.live).toBe(undefined)
})

test('a replacement stands before the old connection is let go; one that fails leaves it', async () => {
  const connections = create()
  await connections.current()
  await connections.replace()
  expect(log).toEqual(['dial a at 0', 'connected a at 0', 'dial a at 0', 'connected a at 0', 'retired a'])
  behaviours = { a: 'refuses', b: 'refuses', c: 'refuses' }
  await expect(connections.replace()).rejects.toThrow('a refuses')
  expect(connections.live?.endpoint).toBe('a')
})

test('closing breaks every connection, ends a dial, and refuses what comes', async () => {
  const connections = create()
  await connections.current()
  await connections.replace()
  behaviours = { a: 'silent', b: 'silent', c: 'silent' }
  const dialling = connections.replace().catch((error: unknown) => error)
  await clock.advance(10)
  const closed = coordinationError('STORE_CLOSED', 'closed')
  connections.close(closed)
  expect(await dialling).toBe(closed)
  expect(log.filter((line) => line === 'broke a')).toHaveLength(2)
  await expect(connections.current()).rejects.toBe(closed)
  await clock.advance(0)
  expect(clock.sleepers).toBe(0)
})
