import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { jsonArray } from './format.ts'
import { advanceUntil, createLabQueue, type Responder, startLabCollector, until } from './lab.test.kit.ts'
import type { UplinkEvents, UplinkOptions } from './types.ts'
import { startUplink } from './uplink.ts'

const steady = { minMs: 100, maxMs: 100, jitter: 'none' } as const

async function lab(respond?: Responder, options: Partial<UplinkOptions> = {}) {
  const collector = await startLabCollector(respond)
  const clock = createFakeClock()
  const queue = createLabQueue(clock)
  const { url } = collector
  const batch = { maxAgeMs: 0, ...options.batch }
  const uplink = await startUplink({ queue, url, clock, backoff: steady, ...options, batch })
  const told: [string, unknown][] = []
  const events = [
    'shipped',
    'refused',
    'retried',
    'split',
    'opened',
    'recovered',
    'returned',
    'leaseLost',
  ] as const
  for (const event of events) uplink.on(event, (fact: unknown = {}) => told.push([event, fact]))
  return {
    collector,
    queue,
    clock,
    uplink,
    told,
    facts: (event: keyof UplinkEvents) => told.filter(([name]) => name === event).map(([, fact]) => fact),
    async [Symbol.asyncDispose]() {
      await uplink.close()
      await collector[Symbol.asyncDispose]()
      expect(clock.sleepers).toBe(0)
    },
  }
}

test('ships what is in the queue as lines with ids, and acknowledges after the answer', async () => {
  await using own = await lab()
  own.queue.put({ cpu: 0.5 }, 'text', undefined)
  await until(() => own.facts('shipped').length > 0)
  const [request] = own.collector.requests
  expect(request?.text).toBe(
    '{"id":"m1","value":{"cpu":0.5}}\n{"id":"m2","value":"text"}\n{"id":"m3","value":null}\n',
  )
  expect(request?.contentType).toBe('application/x-ndjson')
  expect(request?.headers['idempotency-key']).toMatch(/^"[0-9a-f]{32}"$/)
  expect(own.queue.ids('acked')).toEqual(['m1', 'm2', 'm3'])
  expect(own.facts('shipped')).toEqual([{ messages: 3, bytes: request?.text.length, durationMs: 0 }])
})

test('batches by count', async () => {
  await using own = await lab(undefined, { batch: { maxMessages: 2 } })
  own.queue.put(1, 2, 3, 4, 5)
  await until(() => own.queue.ids('acked').length === 5)
  expect(own.collector.requests.map(({ ids }) => ids)).toEqual([['m1', 'm2'], ['m3', 'm4'], ['m5']])
})

test('batches by bytes, a larger message alone', async () => {
  await using own = await lab(undefined, { batch: { maxBytes: 100 } })
  own.queue.put('a'.repeat(30), 'b'.repeat(30), 'c'.repeat(500), 'd')
  await until(() => own.queue.ids('acked').length === 4)
  expect(own.collector.requests.map(({ ids }) => ids)).toEqual([['m1'], ['m2'], ['m3'], ['m4']])
})

test('waits for more until the first message is old enough', async () => {
  await using own = await lab(undefined, { batch: { maxAgeMs: 50 } })
  own.queue.put(1)
  await own.clock.advance(20)
  own.queue.put(2)
  await own.clock.advance(29)
  expect(own.collector.requests.length).toBe(0)
  own.queue.put(3)
  own.queue.put(4)
  await advanceUntil(own.clock, 1, () => own.queue.ids('acked').length === 4)
  expect(own.collector.requests[0]?.ids.slice(0, 2)).toEqual(['m1', 'm2'])
})

test('compresses where it pays, and only there', async () => {
  await using own = await lab(undefined, { batch: { maxMessages: 1 } })
  const noise = Buffer.from(Array.from({ length: 3_000 }, (_, at) => (at * at * 7_919) % 251)).toString(
    'base64',
  )
  own.queue.put('x'.repeat(5_000), 'short', noise)
  await until(() => own.queue.ids('acked').length === 3)
  expect(own.collector.requests.map(({ headers }) => headers['content-encoding'])).toEqual([
    'gzip',
    undefined,
    'gzip',
  ])
  expect(Number(own.collector.requests[0]?.headers['content-length'])).toBeLessThan(200)
  expect(own.collector.requests[0]?.ids).toEqual(['m1'])
})

test('other formats, and headers asked for at each request', async () => {
  let token = 0
  await using own = await lab((_request, _response, nth) => (nth === 1 ? 503 : 200), {
    format: jsonArray,
    headers: async () => ({ authorization: `Bearer ${++token}` }),
  })
  own.queue.put(1, 2)
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 2)
  expect(own.collector.requests.map(({ headers, text }) => [headers.authorization, text])).toEqual([
    ['Bearer 1', '[{"id":"m1","value":1},{"id":"m2","value":2}]'],
    ['Bearer 2', '[{"id":"m1","value":1},{"id":"m2","value":2}]'],
  ])
})

test('a message that cannot be encoded goes to the dead letter, its neighbours are shipped', async () => {
  await using own = await lab()
  own.queue.put(1, 10n, 3)
  await until(() => own.queue.ids('acked').length === 2)
  expect(own.collector.requests[0]?.ids).toEqual(['m1', 'm3'])
  expect(own.queue.messages[1]).toMatchObject({ state: 'buried', error: { code: 'UPLINK_ENCODE_FAILED' } })
})

test.each([408, 425, 429, 500, 502, 503, 401, 403, 404, 302])(
  '%i is tried again, with the same keys',
  async (status) => {
    await using own = await lab((_request, _response, nth) => (nth < 3 ? status : 200))
    own.queue.put(1, 2)
    await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 2)
    const keys = own.collector.requests.map(({ headers }) => headers['idempotency-key'])
    expect(keys).toEqual([keys[0], keys[0], keys[0]])
    expect(own.facts('retried')).toMatchObject([
      { messages: 2, attempt: 1, pauseMs: 100, error: { code: 'UPLINK_NOT_ACCEPTED', fields: { status } } },
      { messages: 2, attempt: 2, pauseMs: 100 },
    ])
  },
)

test.each([
  ['7', 7_000],
  [new Date(Date.UTC(2026, 0, 1, 0, 0, 9)).toUTCString(), 9_000],
  ['86400', 300_000],
  ['soon', 100],
])('Retry-After: %s is honoured within reason', async (value, pauseMs) => {
  await using own = await lab((_request, _response, nth) =>
    nth === 1 ? { status: 429, headers: { 'retry-after': value } } : 200,
  )
  own.queue.put(1)
  await until(() => own.facts('retried').length > 0)
  expect(own.facts('retried')).toMatchObject([{ pauseMs }])
  await own.clock.advance(pauseMs - 1)
  expect(own.collector.requests.length).toBe(1)
  await advanceUntil(own.clock, 1, () => own.queue.ids('acked').length === 1)
})

test('Retry-After holds back every worker', async () => {
  await using own = await lab(
    (_request, _response, nth) => (nth === 1 ? { status: 503, headers: { 'retry-after': '10' } } : 200),
    { concurrency: 2, batch: { maxMessages: 1 } },
  )
  own.queue.put(1)
  await until(() => own.facts('retried').length > 0)
  own.queue.put(2)
  await own.clock.advance(9_999)
  expect(own.collector.requests.length).toBe(1)
  await advanceUntil(own.clock, 1, () => own.queue.ids('acked').length === 2)
})

test('Retry-After beside a partial answer holds back every worker too', async () => {
  await using own = await lab(
    ({ ids }, _response, nth) =>
      nth === 1
        ? {
            status: 207,
            headers: { 'retry-after': '10' },
            body: { results: ids.map((id) => ({ id, status: 429 })) },
          }
        : 200,
    { concurrency: 2, batch: { maxMessages: 1 } },
  )
  own.queue.put(1)
  await until(() => own.facts('retried').length > 0)
  own.queue.put(2)
  await own.clock.advance(9_999)
  expect(own.collector.requests.length).toBe(1)
  await advanceUntil(own.clock, 1, () => own.queue.ids('acked').length === 2)
})

test('one bad message does not bury its neighbours', async () => {
  await using own = await lab(({ ids }) => (ids.includes('m6') ? { status: 422, body: 'no schema' } : 200))
  own.queue.put(...Array.from({ length: 16 }, (_, at) => at))
  await until(() => own.queue.ids('acked').length === 15 && own.facts('refused').length === 1)
  expect(own.queue.messages[5]).toMatchObject({
    state: 'buried',
    error: { code: 'UPLINK_REFUSED', fields: { id: 'm6', status: 422, answer: 'no schema' } },
  })
  expect(own.facts('split')).toEqual([16, 8, 4, 2].map((messages) => ({ messages, status: 422 })))
})

test('413 splits a batch down to what the collector takes', async () => {
  await using own = await lab(({ ids }) => (ids.length > 3 ? 413 : 200))
  own.queue.put(...Array.from({ length: 10 }, (_, at) => at))
  await until(() => own.queue.ids('acked').length === 10)
  expect(own.collector.requests.map(({ ids }) => ids.length)).toEqual([10, 5, 3, 2, 5, 3, 2])
})

test('a partial answer is acknowledged message by message', async () => {
  await using own = await lab(({ ids }, _response, nth) =>
    nth > 1
      ? 200
      : {
          status: 207,
          body: {
            results: [
              { id: ids[0], status: 201 },
              { id: ids[1], status: 400, error: 'too old' },
              { id: ids[2], status: 503 },
            ],
          },
        },
  )
  own.queue.put(1, 2, 3, 4)
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 3)
  expect(own.collector.requests[1]?.ids).toEqual(['m3', 'm4'])
  expect(own.queue.messages[1]).toMatchObject({ state: 'buried', error: { fields: { answer: 'too old' } } })
})

test('an answer that claims to be partial and cannot be read is tried again', async () => {
  await using own = await lab((_request, _response, nth) =>
    nth === 1 ? { status: 207, body: '{"results":' } : 200,
  )
  own.queue.put(1)
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 1)
  expect(own.facts('retried')).toMatchObject([{ error: { code: 'UPLINK_BAD_ANSWER' } }])
})

test.each([
  ['a login page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>Wi-Fi</html>' }],
  ['half of its results', { status: 200, headers: { 'content-type': 'application/json' }, body: '{"resu' }],
  ['results of another kind', { status: 200, body: { results: [{ ok: true }] } }],
])('a collector that answers 200 with %s has accepted nothing', async (_name, garbage) => {
  await using own = await lab((_request, _response, nth) => (nth === 1 ? garbage : 200))
  own.queue.put(1)
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 1)
  expect(own.facts('retried')).toMatchObject([{ error: { code: 'UPLINK_BAD_ANSWER' } }])
})

test('results with a long reason for every message are read whole', async () => {
  await using own = await lab(({ ids }) => ({
    status: 200,
    body: { results: ids.map((id) => ({ id, status: 422, error: 'x'.repeat(3_000) })) },
  }))
  own.queue.put(...Array.from({ length: 200 }, (_, at) => at))
  await until(() => own.facts('refused').length === 200)
  expect(own.queue.ids('buried').length).toBe(200)
})

test.each([500, 'reset', 'timeout'])(
  'a message over which the collector fails (%s) holds up neither those before it nor, given attempts, those behind',
  async (failure) => {
    await using own = await lab(
      ({ ids }, response) => {
        if (!ids.includes('m6')) return 200
        if (failure === 500) return 500
        if (failure === 'reset') response.destroy()
        return undefined
      },
      { attempts: 4, requestTimeoutMs: 1_000, circuit: { failures: Number.POSITIVE_INFINITY } },
    )
    own.queue.put(...Array.from({ length: 8 }, (_, at) => at))
    await advanceUntil(own.clock, 50, () => own.queue.ids('acked').length === 7)
    expect(own.queue.ids('buried')).toEqual(['m6'])
    expect(own.facts('split')).toMatchObject([{ messages: 8 }, { messages: 4 }, { messages: 2 }])
    const alone = own.collector.requests.filter(({ ids }) => ids.length === 1 && ids[0] === 'm6')
    // A reset of a kept-alive connection is no failure: it is sent once more on a fresh one.
    expect(alone.length).toBe(failure === 'reset' ? 5 : 4)
    const accepted = own.collector.requests.filter(({ ids }) => !ids.includes('m6'))
    expect(accepted.flatMap(({ ids }) => ids)).toEqual(['m1', 'm2', 'm3', 'm4', 'm5', 'm7', 'm8'])
  },
)

test('an outage neither splits a batch nor buries a message, however long', async () => {
  let nth = 0
  const outage = [502, 503, 504, 401, 'down'] as const
  await using own = await lab(
    (_request, response) => {
      nth += 1
      const failure = nth > 40 ? 200 : outage[nth % outage.length]!
      if (typeof failure === 'number') return failure
      response.writeHead(200, { 'content-length': '5' }).write('x')
      setImmediate(() => response.destroy())
      return undefined
    },
    { attempts: 1, circuit: { failures: Number.POSITIVE_INFINITY } },
  )
  own.queue.put(1, 2, 3)
  await advanceUntil(own.clock, 50, () => own.queue.ids('acked').length === 3)
  expect(own.facts('split')).toEqual([])
})

test('an answer that is an upgrade nobody asked for is a failure at once', async () => {
  await using own = await lab((_request, response, nth) => {
    if (nth > 1) return 200
    response.socket?.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
    return undefined
  })
  own.queue.put(1)
  await until(() => own.facts('retried').length === 1)
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 1)
})

test('cut connections and answers are tried again', async () => {
  await using own = await lab((_request, response, nth) => {
    if (nth === 1) response.destroy()
    else if (nth === 2) {
      response.writeHead(200, { 'content-length': '100' })
      response.write('half')
      setImmediate(() => response.destroy())
    } else return 200
    return undefined
  })
  own.queue.put(1)
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 1)
  expect(own.facts('retried')).toMatchObject([
    { error: { code: 'UPLINK_REQUEST_FAILED' } },
    { error: { code: 'UPLINK_REQUEST_FAILED' } },
  ])
})

test('a collector that stalls runs into the timeout', async () => {
  await using own = await lab((_request, _response, nth) => (nth === 1 ? undefined : 200), {
    requestTimeoutMs: 5_000,
  })
  own.queue.put(1)
  await until(() => own.collector.requests.length === 1)
  await own.clock.advance(4_999)
  expect(own.facts('retried')).toEqual([])
  await advanceUntil(own.clock, 1, () => own.queue.ids('acked').length === 1)
  expect(own.facts('retried')).toMatchObject([{ error: { code: 'UPLINK_TIMED_OUT' } }])
})

test('the circuit opens, lets one request try, and closes again', async () => {
  let down = true
  await using own = await lab(() => (down ? 500 : 200), {
    circuit: { failures: 3, openMs: 1_000, maxOpenMs: 1_500 },
  })
  own.queue.put(1)
  await advanceUntil(own.clock, 10, () => own.facts('opened').length === 1)
  expect(own.collector.requests.length).toBe(3)
  expect(own.uplink.stats!()['uplink_circuit_open']?.value).toBe(1)
  await own.clock.advance(900)
  expect(own.collector.requests.length).toBe(3)
  await advanceUntil(own.clock, 10, () => own.facts('opened').length === 2)
  expect(own.collector.requests.length).toBe(4)
  down = false
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 1)
  expect(own.facts('opened')).toMatchObject([
    { failures: 3, openMs: 1_000 },
    { failures: 4, openMs: 1_500 },
  ])
  expect(own.facts('recovered').length).toBe(1)
  expect(own.uplink.stats!()['uplink_circuit_open']?.value).toBe(0)
})

test('leases are kept while a request is in flight or waits', async () => {
  await using own = await lab(() => undefined, { requestTimeoutMs: 50_000 })
  own.queue.put(1)
  await until(() => own.collector.requests.length === 1)
  await own.clock.advance(45_000)
  expect(own.queue.messages[0]?.extended).toBe(4)
})

test('a message whose lease was lost is not sent again from here, nor acknowledged', async () => {
  await using own = await lab((_request, _response, nth) => (nth === 1 ? 503 : 200), {
    backoff: { minMs: 20_000, maxMs: 20_000, jitter: 'none' },
  })
  own.queue.put(1, 2)
  await until(() => own.facts('retried').length === 1)
  own.queue.loseLeases()
  await advanceUntil(own.clock, 1_000, () => own.queue.ids('acked').length === 2)
  expect(own.facts('leaseLost')).toEqual([{ id: 'm1' }, { id: 'm2' }])
  expect(own.queue.messages.map(({ attempts }) => attempts)).toEqual([2, 2])
})

test('a message whose lease was lost while it waited for the circuit is not sent from here', async () => {
  await using own = await lab((_request, _response, nth) => (nth <= 2 ? 503 : 200), {
    concurrency: 2,
    batch: { maxMessages: 1 },
    circuit: { failures: 1, openMs: 60_000 },
  })
  own.queue.put(1)
  await until(() => own.facts('opened').length === 1)
  own.queue.put(2)
  await own.clock.advance(10)
  const sent = own.collector.requests.length
  own.queue.loseLeases()
  await advanceUntil(own.clock, 1_000, () => own.facts('leaseLost').length === 2)
  expect(own.collector.requests.length).toBe(sent)
  await advanceUntil(own.clock, 1_000, () => own.queue.ids('acked').length === 2)
  const deliveries = own.collector.requests.slice(sent).flatMap(({ ids }) => ids)
  expect(new Set(deliveries).size).toBe(2)
})

test('drain ships what is in hand and takes nothing more', async () => {
  const answers: (() => void)[] = []
  await using own = await lab((_request, response) => {
    answers.push(() => response.writeHead(200).end())
    return undefined
  })
  own.queue.put(1)
  await until(() => answers.length === 1)
  const draining = own.uplink.drain()
  own.queue.put(2)
  answers[0]?.()
  await draining
  expect(own.queue.ids('acked')).toEqual(['m1'])
  expect(own.queue.ids('ready')).toEqual(['m2'])
})

test('the signal ends the waiting for a drain, and close gives back what is in hand', async () => {
  await using own = await lab(() => undefined)
  own.queue.put(1, 2)
  await until(() => own.collector.requests.length === 1)
  const waiting = new AbortController()
  const draining = own.uplink.drain({ signal: waiting.signal })
  waiting.abort()
  await draining
  await own.uplink.close()
  expect(own.queue.ids('ready')).toEqual(['m1', 'm2'])
  expect(own.facts('returned')).toEqual([{ messages: 2 }])
  expect(own.uplink.stats!()['uplink_messages_in_hand']?.value).toBe(0)
})

test.each([
  ['pauses before it tries again', {}, 1],
  ['is spared by an open circuit', { circuit: { failures: 1, openMs: 60_000 } }, 1],
  ['asked us to wait', {}, 2],
] as const)(
  'a drain waits for no collector that %s: all goes back to the queue',
  async (_name, options, nth) => {
    await using own = await lab(() => ({ status: 503, headers: nth === 2 ? { 'retry-after': '60' } : {} }), {
      ...options,
      batch: { maxMessages: 2 },
    })
    own.queue.put(1, 2, 3, 4, 5)
    await until(() => own.facts('retried').length === 1)
    await own.uplink.drain()
    expect(own.queue.ids('ready')).toEqual(['m1', 'm2', 'm3', 'm4', 'm5'])
    expect(own.facts('returned').length).toBe(1)
    expect(own.collector.requests.length).toBe(1)
    await own.uplink.exited
  },
)

test('a drain sends the halves of what is refused meanwhile, and keeps to the rate', async () => {
  let answer: (() => void) | undefined
  await using own = await lab(
    (_request, response, nth) => {
      if (nth > 1) return 200
      answer = () => response.writeHead(413).end()
      return undefined
    },
    { rate: { max: 2, perMs: 1_000 } },
  )
  own.queue.put(1, 2)
  await until(() => answer !== undefined)
  let isDrained = false
  const draining = own.uplink.drain().then(() => {
    isDrained = true
  })
  own.queue.put(3)
  answer?.()
  await advanceUntil(own.clock, 100, () => isDrained)
  await draining
  expect(own.queue.ids('acked')).toEqual(['m1', 'm2'])
  expect(own.queue.ids('ready')).toEqual(['m3'])
  expect(own.clock.now()).toBeGreaterThanOrEqual(1_000)
})

test('close cuts a request in flight and leaves the backlog intact', async () => {
  await using own = await lab(() => undefined)
  own.queue.put(1, 2, 3)
  await until(() => own.collector.requests.length === 1)
  await Promise.all([own.uplink.close(), own.uplink[Symbol.asyncDispose]()])
  expect(own.queue.ids('ready')).toEqual(['m1', 'm2', 'm3'])
  await own.uplink.exited
})

test('several requests at once, and no more', async () => {
  const open: (() => void)[] = []
  let most = 0
  await using own = await lab(
    (_request, response) => {
      open.push(() => response.writeHead(200).end())
      most = Math.max(most, open.length)
      // Fewer than three at once would wait here for ever.
      if (open.length >= 3) for (const answer of open.splice(0)) answer()
      return undefined
    },
    { concurrency: 3, batch: { maxMessages: 1 } },
  )
  own.queue.put(...Array.from({ length: 30 }, (_, at) => at))
  await until(() => own.queue.ids('acked').length === 30)
  expect(most).toBe(3)
  expect(new Set(own.collector.requests.flatMap(({ ids }) => ids)).size).toBe(30)
})

test('many workers wait on one signal without a warning of Node’s', async () => {
  const warnings: Error[] = []
  const warn = (warning: Error) => warnings.push(warning)
  process.on('warning', warn)
  {
    await using own = await lab(() => undefined, { concurrency: 30, batch: { maxMessages: 1 } })
    own.queue.put(...Array.from({ length: 30 }, (_, at) => at))
    await until(() => own.collector.requests.length === 30)
  }
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', warn)
  expect(warnings.map(({ name }) => name)).not.toContain('MaxListenersExceededWarning')
})

test('a rate holds back peaks', async () => {
  await using own = await lab(undefined, { rate: { max: 10, perMs: 1_000 } })
  own.queue.put(...Array.from({ length: 35 }, (_, at) => at))
  await until(() => own.queue.ids('acked').length === 10)
  const reached: [number, number][] = []
  for (const messages of [20, 30, 35]) {
    await advanceUntil(own.clock, 50, () => own.queue.ids('acked').length >= messages)
    reached.push([own.clock.now(), own.queue.ids('acked').length])
  }
  for (const [now, messages] of reached) expect(messages).toBeLessThanOrEqual(10 + now / 100)
  expect(own.collector.requests.every(({ ids }) => ids.length <= 10)).toBe(true)
})

test('a queue that can give nothing any more ends the uplink', async () => {
  const clock = createFakeClock()
  await using collector = await startLabCollector()
  const gone = Object.assign(new Error('closed'), { code: 'QUEUE_CLOSED', retryable: false })
  Object.defineProperty(gone, Symbol.for('@holdfast/error'), { value: true })
  const queue = { take: () => Promise.reject(gone) }
  const uplink = await startUplink({ queue, url: collector.url, clock })
  await expect(uplink.exited).rejects.toBe(gone)
  await uplink.close()
})

test('a queue that closes first ends no process whose owner listens to nothing', async () => {
  await using own = await lab()
  const gone = Object.assign(new Error('closed'), { code: 'QUEUE_CLOSED', retryable: false })
  Object.defineProperty(gone, Symbol.for('@holdfast/error'), { value: true })
  const uplink = await startUplink({ queue: { take: () => Promise.reject(gone) }, url: own.collector.url })
  await new Promise((resolve) => setImmediate(resolve)) // an unhandled rejection would fail the run
  await uplink.close()
})

test('a queue that fails for a while is asked again', async () => {
  await using collector = await startLabCollector()
  const clock = createFakeClock()
  const queue = createLabQueue(clock)
  queue.put(1)
  const failures = [new Error('disk'), new Error('disk')]
  const failing = {
    take: async (options: Parameters<typeof queue.take>[0]) => {
      const failure = failures.pop()
      if (failure) throw failure
      return queue.take(options)
    },
  }
  await using _ = await startUplink({
    queue: failing,
    url: collector.url,
    clock,
    backoff: steady,
    batch: { maxAgeMs: 0 },
  })
  await advanceUntil(clock, 10, () => queue.ids('acked').length === 1)
})

test.each([
  [{ url: 'ftp://host' }, TypeError],
  [{ concurrency: 0 }, RangeError],
  [{ batch: { maxMessages: 0 } }, RangeError],
  [{ circuit: { openMs: 5, maxOpenMs: 4 } }, RangeError],
  [{ rate: { max: 0, perMs: 1 } }, RangeError],
  [{ tls: { certFile: 'a.pem' } }, TypeError],
  [{ queue: {} as never }, TypeError],
])('%o is refused', async (options, kind) => {
  await expect(
    startUplink({ queue: createLabQueue(createFakeClock()), url: 'http://localhost', ...options }),
  ).rejects.toThrow(kind)
})
