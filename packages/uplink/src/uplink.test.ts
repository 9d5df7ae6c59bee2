import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { advanceUntil, createLabQueue, startLab, until } from './lab.test.kit.ts'
import { jsonArray } from './ship/format.ts'
import { startUplink } from './uplink.ts'

test('ships what is in the queue as lines with ids, and acknowledges after the answer', async () => {
  await using own = await startLab()
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
  await using own = await startLab(undefined, { batch: { maxMessages: 2 } })
  own.queue.put(1, 2, 3, 4, 5)
  await until(() => own.queue.ids('acked').length === 5)
  expect(own.collector.requests.map(({ ids }) => ids)).toEqual([['m1', 'm2'], ['m3', 'm4'], ['m5']])
})

test('batches by bytes, a larger message alone', async () => {
  await using own = await startLab(undefined, { batch: { maxBytes: 100 } })
  own.queue.put('a'.repeat(30), 'b'.repeat(30), 'c'.repeat(500), 'd')
  await until(() => own.queue.ids('acked').length === 4)
  expect(own.collector.requests.map(({ ids }) => ids)).toEqual([['m1'], ['m2'], ['m3'], ['m4']])
})

test('waits for more until the first message is old enough', async () => {
  await using own = await startLab(undefined, { batch: { maxAgeMs: 50 } })
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
  await using own = await startLab(undefined, { batch: { maxMessages: 1 } })
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

test('what does not get smaller goes as it is', async () => {
  const random = createSeededRandom(1)
  const noise = Buffer.from(Array.from({ length: 3_000 }, () => Math.floor(random() * 256)))
  const format = { contentType: 'x', encode: () => noise, frame: (parts: readonly Uint8Array[]) => parts[0]! }
  await using own = await startLab(undefined, { format })
  own.queue.put(1)
  await until(() => own.queue.ids('acked').length === 1)
  expect(own.collector.requests[0]?.headers).toMatchObject({ 'content-length': '3000' })
  expect(own.collector.requests[0]?.headers['content-encoding']).toBeUndefined()
})

test('other formats, and headers asked for at each request', async () => {
  let token = 0
  await using own = await startLab((_request, _response, nth) => (nth === 1 ? 503 : 200), {
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
  await using own = await startLab()
  own.queue.put(1, 10n, 3)
  await until(() => own.queue.ids('acked').length === 2)
  expect(own.collector.requests[0]?.ids).toEqual(['m1', 'm3'])
  expect(own.queue.messages[1]).toMatchObject({ state: 'buried', error: { code: 'UPLINK_ENCODE_FAILED' } })
})

test('several requests at once, and no more', async () => {
  const open: (() => void)[] = []
  let most = 0
  await using own = await startLab(
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
