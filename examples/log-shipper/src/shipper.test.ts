import { appendFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createMemoryDisk, openMemoryQueue } from '@holdfast/queue/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { auditLines, uploadsOfSize } from './audit.ts'
import { type Collector, startCollector } from './collector.ts'
import type { Progress } from './progress.ts'
import { createLogShipper } from './shipper.ts'
import { until } from './wait.ts'

// The whole shipper in this process, its queues in memory; the log is a real file, the collector a real server.

let folder: string
let collector: Collector
let progress: Progress | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-shipper-'))
  await mkdir(join(folder, 'outbox'))
  collector = await startCollector(join(folder, 'received'))
  progress = undefined
})
afterEach(async () => {
  await collector[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Both starts of one shipper find the same queues, as two processes find the same folder. */
function createShipper() {
  const disk = createMemoryDisk()
  return createLogShipper({
    ...{ logFile: join(folder, 'log'), outbox: join(folder, 'outbox'), stateFolder: join(folder, 'state') },
    ...{ collector: collector.url, linesPerSecond: 1_000, uploadBytesPerSecond: 200_000 },
    report: (now) => {
      progress = now
    },
    queues: {
      lines: () => openMemoryQueue({ disk, name: 'lines' }),
      files: () => openMemoryQueue({ disk, name: 'files' }),
    },
  })
}

const line = (number: number, more = ''): string => `INFO request ${number} GET /reef${more}\n`
const bodies = (): string[] => [...collector.received().lines.values()].map(({ text }) => text)

test('ships lines over a rotation and an outage; a refused one goes to the dead letter', async () => {
  const log = join(folder, 'log')
  await writeFile(log, line(1) + line(2))
  const agent = await createShipper().start()
  await until(() => bodies().length === 2, 'two lines have arrived')
  await collector.cut()
  await rename(log, `${log}.1`)
  await writeFile(log, line(3) + line(4, 'x'.repeat(5_000)) + line(5))
  await until(() => progress?.circuitOpen === true, 'the circuit is open')
  await collector.reconnect()
  await until(() => bodies().length === 4, 'all but the long line have arrived')
  expect(bodies().map((text) => text.trim())).toEqual([1, 2, 3, 5].map((number) => line(number).trim()))
  await until(() => progress?.waiting === 0 && progress.dead === 1, 'the long line is in the dead letter')
  await agent.close()
})

test('a file in the outbox is uploaded once, from where the last stop left it', async () => {
  const bytes = Buffer.from(Array.from({ length: 400_000 }, (_, at) => (at * 7 + (at >> 9)) % 256))
  await writeFile(join(folder, 'dump'), bytes)
  await rename(join(folder, 'dump'), join(folder, 'outbox', 'dump'))
  const shipper = createShipper()
  const first = await shipper.start()
  await until(() => collector.received().uploadBytes > 100_000, 'a part has arrived')
  await first.close()
  const before = collector.received().uploadBytes
  const second = await shipper.start()
  await until(
    async () => (await uploadsOfSize(join(folder, 'received'), bytes.length)).length > 0,
    'it is there',
  )
  await until(() => readFile(join(folder, 'outbox/sent/dump')).then(Boolean, () => false), 'it was moved on')
  await appendFile(join(folder, 'log'), line(1))
  await until(() => bodies().length === 1, 'lines go on')
  await second.close()
  const [upload, ...others] = await uploadsOfSize(join(folder, 'received'), bytes.length)
  expect(others).toEqual([])
  expect((await readFile(upload ?? '')).equals(bytes)).toBe(true)
  expect(before).toBeGreaterThan(0)
  expect(collector.received().uploadBytes - bytes.length).toBeLessThan(before)
})

test('the audit tells what is lost, and what is doubled', () => {
  const lines = (...numbers: number[]) => numbers.map((number) => ({ file: 'log', text: line(number) }))
  expect(auditLines(5, lines(1, 2, 2, 4), lines(3))).toEqual({
    ...{ written: 5, received: 3, refused: 1 },
    ...{ lost: 1, doubled: 1 },
  })
})
