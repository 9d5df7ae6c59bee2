import type { ServerResponse } from 'node:http'
import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { advanceUntil, createLabQueue, type LabRequest, startLabCollector } from './lab.test.kit.ts'
import { startUplink } from './uplink.ts'

// A real server on loopback that fails in every way it can, and an uplink that is stopped and
// started over the same queue: what the receiver holds by id is what the queue saw acknowledged.

interface Line {
  id: string
  value: number
}

const seeds = process.env['HOLDFAST_DEEP'] === '1' ? 300 : 6
const isBad = (value: number): boolean => value % 17 === 0

test.each(Array.from({ length: seeds }, (_, at) => at + 1))(
  'seed %i: received once by id, acknowledged, or in the dead letter',
  { timeout: 60_000 },
  async (seed) => {
    const random = createSeededRandom(seed)
    const clock = createFakeClock()
    const queue = createLabQueue(clock)
    const held = new Map<string, number>()
    let deliveries = 0
    await using collector = await startLabCollector(respond)
    const total = 120
    const options = {
      ...{ queue, url: collector.url, clock, random },
      batch: { maxMessages: 1 + Math.floor(random() * 40), maxAgeMs: 5 },
      concurrency: 1 + Math.floor(random() * 3),
      requestTimeoutMs: 2_000,
      backoff: { minMs: 10, maxMs: 50 },
      circuit: { failures: 4, openMs: 200 },
    }
    const settled = (): number => queue.ids('acked').length + queue.ids('buried').length

    let uplink = await startUplink(options)
    for (let put = 0; put < total; put += 20) {
      queue.put(...Array.from({ length: 20 }, (_, at) => put + at + 1))
      await advanceUntil(clock, 20, () => settled() >= put * random())
      if (random() < 0.3) queue.loseLeases()
      if (random() < 0.5) {
        await uplink.close()
        expect(queue.ids('taken')).toEqual([])
        uplink = await startUplink(options)
      }
    }
    await advanceUntil(clock, 50, () => settled() === total)
    await uplink.close()

    expect([...held.keys()].sort()).toEqual(queue.ids('acked').sort())
    expect([...held].every(([id, value]) => id === `m${value}`)).toBe(true)
    const buried = queue.messages.filter(({ state }) => state === 'buried')
    expect(buried.map(({ value }) => value)).toEqual([17, 34, 51, 68, 85, 102, 119])
    expect(deliveries).toBeGreaterThanOrEqual(held.size)
    expect(clock.sleepers).toBe(0)

    function respond({ text }: LabRequest, response: ServerResponse) {
      const lines = text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Line)
      const fate = random()
      if (fate < 0.1) return { status: 503, ...(random() < 0.5 ? { headers: { 'retry-after': '1' } } : {}) }
      if (fate < 0.15) return 429
      if (fate < 0.2) return void response.destroy()
      if (fate < 0.23) return undefined // stalls
      if (lines.length > 25) return 413
      if (fate < 0.5) return { status: 207, body: { results: lines.flatMap(judge) } }
      if (lines.some(({ value }) => isBad(value))) return { status: 422, body: 'bad' }
      for (const line of lines) keep(line)
      if (fate < 0.6) return void response.destroy() // kept, and the answer is lost
      return 204
    }

    function judge(line: Line): { id: string; status: number }[] {
      if (random() < 0.1) return []
      if (random() < 0.1) return [{ id: line.id, status: 503 }]
      if (isBad(line.value)) return [{ id: line.id, status: 400 }]
      keep(line)
      return [{ id: line.id, status: 200 }]
    }

    function keep({ id, value }: Line): void {
      deliveries += 1
      held.set(id, value)
    }
  },
)
