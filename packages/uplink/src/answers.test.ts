import { expect, test } from 'vitest'
import { advanceUntil, startLab, until } from './lab.test.kit.ts'

test.each([408, 425, 429, 500, 502, 503, 401, 403, 404, 302])(
  '%i is tried again, with the same keys',
  async (status) => {
    await using own = await startLab((_request, _response, nth) => (nth < 3 ? status : 200))
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
  await using own = await startLab((_request, _response, nth) =>
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
  await using own = await startLab(
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
  await using own = await startLab(
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
  await using own = await startLab(({ ids }) =>
    ids.includes('m6') ? { status: 422, body: 'no schema' } : 200,
  )
  own.queue.put(...Array.from({ length: 16 }, (_, at) => at))
  await until(() => own.queue.ids('acked').length === 15 && own.facts('refused').length === 1)
  expect(own.queue.messages[5]).toMatchObject({
    state: 'buried',
    error: { code: 'UPLINK_REFUSED', fields: { id: 'm6', status: 422, answer: 'no schema' } },
  })
  expect(own.facts('split')).toEqual([16, 8, 4, 2].map((messages) => ({ messages, status: 422 })))
})

test('413 splits a batch down to what the collector takes', async () => {
  await using own = await startLab(({ ids }) => (ids.length > 3 ? 413 : 200))
  own.queue.put(...Array.from({ length: 10 }, (_, at) => at))
  await until(() => own.queue.ids('acked').length === 10)
  expect(own.collector.requests.map(({ ids }) => ids.length)).toEqual([10, 5, 3, 2, 5, 3, 2])
})

test('a partial answer is acknowledged message by message', async () => {
  await using own = await startLab(({ ids }, _response, nth) =>
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
  await using own = await startLab((_request, _response, nth) =>
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
  await using own = await startLab((_request, _response, nth) => (nth === 1 ? garbage : 200))
  own.queue.put(1)
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 1)
  expect(own.facts('retried')).toMatchObject([{ error: { code: 'UPLINK_BAD_ANSWER' } }])
})

test('results with a long reason for every message are read whole', async () => {
  await using own = await startLab(({ ids }) => ({
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
    await using own = await startLab(
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
  await using own = await startLab(
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
  await using own = await startLab((_request, response, nth) => {
    if (nth > 1) return 200
    response.socket?.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n')
    return undefined
  })
  own.queue.put(1)
  await until(() => own.facts('retried').length === 1)
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 1)
})

test('cut connections and answers are tried again', async () => {
  await using own = await startLab((_request, response, nth) => {
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
  await using own = await startLab((_request, _response, nth) => (nth === 1 ? undefined : 200), {
    requestTimeoutMs: 5_000,
  })
  own.queue.put(1)
  await until(() => own.collector.requests.length === 1)
  await own.clock.advance(4_999)
  expect(own.facts('retried')).toEqual([])
  await advanceUntil(own.clock, 1, () => own.queue.ids('acked').length === 1)
  expect(own.facts('retried')).toMatchObject([{ error: { code: 'UPLINK_TIMED_OUT' } }])
})

test('a collector that says 429 works: the circuit stays closed', async () => {
  await using own = await startLab((_request, _response, nth) => (nth < 8 ? 429 : 200), {
    circuit: { failures: 3, openMs: 60_000 },
  })
  own.queue.put(1)
  await advanceUntil(own.clock, 10, () => own.queue.ids('acked').length === 1)
  expect(own.facts('opened')).toEqual([])
})

test('the circuit opens, lets one request try, and closes again', async () => {
  let down = true
  await using own = await startLab(() => (down ? 500 : 200), {
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

test('a rate holds back peaks', async () => {
  await using own = await startLab(undefined, { rate: { max: 10, perMs: 1_000 } })
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
