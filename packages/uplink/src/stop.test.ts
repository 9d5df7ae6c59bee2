import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { advanceUntil, createLabQueue, startLab, startLabCollector, steady, until } from './lab.test.kit.ts'
import { startUplink } from './uplink.ts'

test('leases are kept while a request is in flight or waits', async () => {
  await using own = await startLab(() => undefined, { requestTimeoutMs: 50_000 })
  own.queue.put(1)
  await until(() => own.collector.requests.length === 1)
  await own.clock.advance(45_000)
  expect(own.queue.messages[0]?.extended).toBe(4)
})

test('a message whose lease was lost is not sent again from here, nor acknowledged', async () => {
  await using own = await startLab((_request, _response, nth) => (nth === 1 ? 503 : 200), {
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
  await using own = await startLab((_request, _response, nth) => (nth <= 2 ? 503 : 200), {
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

test('a queue that does not wait is asked again after a pause, and cannot hold up the process', async () => {
  const clock = createFakeClock()
  let takes = 0
  const take = async () => {
    if (++takes > 100) throw Object.assign(new Error('it spins'), { retryable: false })
    return []
  }
  const uplink = await startUplink({ queue: { take }, url: 'http://127.0.0.1:9/', clock })
  await clock.advance(1_000)
  expect(takes).toBe(11)
  await uplink.close()
})

test('drain ships what is in hand and takes nothing more', async () => {
  const answers: (() => void)[] = []
  await using own = await startLab((_request, response) => {
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
  await using own = await startLab(() => undefined)
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
    await using own = await startLab(
      () => ({ status: 503, headers: nth === 2 ? { 'retry-after': '60' } : {} }),
      {
        ...options,
        batch: { maxMessages: 2 },
      },
    )
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
  await using own = await startLab(
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
  await using own = await startLab(() => undefined)
  own.queue.put(1, 2, 3)
  await until(() => own.collector.requests.length === 1)
  await Promise.all([own.uplink.close(), own.uplink[Symbol.asyncDispose]()])
  expect(own.queue.ids('ready')).toEqual(['m1', 'm2', 'm3'])
  await own.uplink.exited
})

test('many workers wait on one signal without a warning of Node’s', async () => {
  const warnings: Error[] = []
  const warn = (warning: Error) => warnings.push(warning)
  process.on('warning', warn)
  {
    await using own = await startLab(() => undefined, { concurrency: 30, batch: { maxMessages: 1 } })
    own.queue.put(...Array.from({ length: 30 }, (_, at) => at))
    await until(() => own.collector.requests.length === 30)
  }
  await new Promise((resolve) => setImmediate(resolve))
  process.off('warning', warn)
  expect(warnings.map(({ name }) => name)).not.toContain('MaxListenersExceededWarning')
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
  await using own = await startLab()
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
