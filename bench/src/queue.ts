import { cpSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { bytesCodec, type Durability, openQueue, type Queue } from '@holdfast/queue'
import { ClassicLevel } from 'classic-level'
import type { Benchmark, Row } from './harness.ts'

const payload = new Uint8Array(256).map((_, index) => (index * 31) % 251)
const noPeer = async (): Promise<string> => 'not installed: it takes a native module or a server of its own'

const raw = { name: 'classic-level, chained batches' }
const records = { name: 'one record per message' }

export const benchmark: Benchmark = {
  name: 'queue',
  rows: [
    enqueueRow(1_024, 'os', 1.2),
    enqueueRow(1_024, 'fsync', 1.2),
    enqueueRow(128, 'os', 0.9),
    enqueueRow(128, 'fsync', 0.9),
    {
      id: 'drain',
      title: 'take and acknowledge in batches of 128, 256 B',
      unit: 'messages/s',
      target: { of: 'ratio', is: '>=', value: 3 },
      quick: true,
      ours: ({ folder, quick }) => drainQueue(folder, quick ? 50_000 : 200_000),
      peer: { ...records, measure: ({ folder, quick }) => drainRecords(folder, quick ? 50_000 : 200_000) },
    },
    {
      id: 'drain-long',
      title: 'batched drain of a long backlog ÷ of a short one',
      unit: 'messages/s',
      target: { of: 'ratio', is: '>=', value: 0.7 },
      quick: false,
      rounds: 3,
      ours: ({ folder }) => drainQueue(folder, 2_000_000),
      peer: { name: 'a backlog of 1,000', measure: ({ folder }) => drainQueue(folder, 1_000) },
    },
    {
      id: 'reopen',
      title: 'open an unclean folder with 2 million messages',
      unit: 's',
      target: { of: 'ours', is: '<=', value: 0.5 },
      quick: false,
      rounds: 3,
      ours: ({ folder }) => reopen(folder, 2_000_000),
    },
    {
      id: 'memory',
      title: 'resident memory, 2 million messages more in the backlog',
      unit: 'MB',
      target: { of: 'ours', is: '<=', value: 64 },
      quick: false,
      rounds: 3,
      ours: ({ folder }) => memoryGrowth(folder, 2_000_000),
    },
    {
      id: 'write-amplification',
      title: 'bytes written ÷ payload bytes while filling',
      unit: '×',
      target: { of: 'ours', is: '<=', value: 2.2 },
      quick: true,
      ours: ({ folder, quick }) => writeAmplification(folder, quick ? 200_000 : 1_000_000),
    },
    {
      id: 'disk-after-drain',
      title: 'left on disk after a full drain, without the ballast',
      unit: 'MB',
      target: { of: 'ours', is: '<=', value: 2 },
      quick: true,
      ours: ({ folder, quick }) => diskAfterDrain(folder, quick ? 50_000 : 500_000),
    },
    missing('sqlite', 'better-sqlite3, transactions of 128', 1.5),
    missing('bullmq', 'BullMQ, appendfsync always', 20),
    missing('beanstalkd', 'beanstalkd -f 0', 15),
  ],
}

function enqueueRow(inFlight: number, durability: Durability, target: number): Row {
  return {
    id: `enqueue-${inFlight}-${durability}`,
    title: `enqueue, 256 B, ${inFlight} in flight, ${durability}`,
    unit: 'messages/s',
    target: { of: 'ratio', is: '>=', value: target },
    quick: true,
    ours: ({ folder, quick }) => enqueue(folder, inFlight, durability, countOf(durability, quick)),
    peer: {
      ...raw,
      measure: ({ folder, quick }) => rawBatches(folder, inFlight, durability, countOf(durability, quick)),
    },
  }
}

function missing(id: string, title: string, value: number): Row {
  return {
    ...{ id, title, unit: 'messages/s', quick: false, skip: noPeer },
    target: { of: 'ratio', is: '>=', value },
    ours: async () => Number.NaN,
  }
}

function countOf(durability: Durability, quick: boolean): number {
  return (durability === 'fsync' ? 60_000 : 200_000) / (quick ? 2 : 1)
}

function open(folder: string, durability: Durability = 'os'): Promise<Queue<Uint8Array>> {
  return openQueue(join(folder, 'queue'), { codec: bytesCodec, durability, ballastBytes: 0 })
}

async function perSecond(count: number, work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return (count / (performance.now() - start)) * 1_000
}

async function fill(queue: Queue<Uint8Array>, count: number, inFlight = 1_024): Promise<void> {
  let left = count
  const produce = async (): Promise<void> => {
    while (left-- > 0) await queue.enqueue(payload)
  }
  await Promise.all(Array.from({ length: inFlight }, produce))
}

async function enqueue(
  folder: string,
  inFlight: number,
  durability: Durability,
  count: number,
): Promise<number> {
  const queue = await open(folder, durability)
  const speed = await perSecond(count, () => fill(queue, count, inFlight))
  await queue.close()
  return speed
}

async function openRaw(folder: string): Promise<ClassicLevel<Buffer, Uint8Array>> {
  const level = new ClassicLevel<Buffer, Uint8Array>(join(folder, 'raw'), {
    keyEncoding: 'buffer',
    valueEncoding: 'view',
  })
  await level.open()
  return level
}

async function rawBatches(
  folder: string,
  size: number,
  durability: Durability,
  count: number,
): Promise<number> {
  const level = await openRaw(folder)
  const speed = await perSecond(count, () => fillRaw(level, count, size, durability === 'fsync'))
  await level.close()
  return speed
}

async function fillRaw(
  level: ClassicLevel<Buffer, Uint8Array>,
  count: number,
  size: number,
  sync: boolean,
): Promise<void> {
  for (let next = 0; next < count; ) {
    const batch = level.batch()
    for (let index = 0; index < size; index++) batch.put(keyOf(next++), payload)
    await batch.write({ sync })
  }
}

function keyOf(seq: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  key.writeUIntBE(seq, 2, 6)
  key.writeUInt16BE(0, 0)
  return key
}

async function drain(queue: Queue<Uint8Array>): Promise<void> {
  for (let jobs = await queue.take({ max: 128 }); jobs.length > 0; jobs = await queue.take({ max: 128 }))
    await Promise.all(jobs.map((job) => job.ack()))
}

async function drainQueue(folder: string, count: number): Promise<number> {
  const first = await open(folder)
  await fill(first, count)
  await first.close()
  const queue = await open(folder)
  const speed = await perSecond(count, () => drain(queue))
  await queue.close()
  return speed
}

/** What one writes without pages: read 128 records, delete each of them. */
async function drainRecords(folder: string, count: number): Promise<number> {
  const level = await openRaw(folder)
  await fillRaw(level, count, 1_024, false)
  await level.close()
  await level.open()
  const speed = await perSecond(count, async () => {
    for (let next = keyOf(0); ; ) {
      const pairs = await level.iterator({ gte: next, limit: 128 }).all()
      if (pairs.length === 0) return
      const batch = level.batch()
      for (const [key] of pairs) batch.del(key)
      await batch.write({ sync: false })
      next = pairs.at(-1)![0]
    }
  })
  await level.close()
  return speed
}

async function reopen(folder: string, count: number): Promise<number> {
  const first = await open(folder)
  await fill(first, count)
  await first.close()
  // What an owner that does not close leaves: a copy of what it has open.
  const second = await open(folder)
  await second.enqueue(payload)
  cpSync(join(folder, 'queue'), join(folder, 'copy', 'queue'), { recursive: true })
  await second.close()
  const start = performance.now()
  const third = await open(join(folder, 'copy'))
  const seconds = (performance.now() - start) / 1_000
  await third.close()
  return seconds
}

async function memoryGrowth(folder: string, count: number): Promise<number> {
  const queue = await open(folder)
  await fill(queue, 1_000)
  const before = process.memoryUsage.rss()
  await fill(queue, count)
  const after = process.memoryUsage.rss()
  await queue.close()
  return (after - before) / 1e6
}

async function writeAmplification(folder: string, count: number): Promise<number> {
  const before = bytesWritten()
  const queue = await open(folder)
  // Not to be compressed away.
  for (let left = count; left > 0; left -= 1_000)
    await Promise.all(Array.from({ length: 1_000 }, () => queue.enqueue(noise())))
  await queue.close()
  return (bytesWritten() - before) / (count * payload.length)
}

function noise(): Uint8Array {
  const bytes = new Uint8Array(payload.length)
  for (let index = 0; index < bytes.length; index++) bytes[index] = Math.random() * 256
  return bytes
}

function bytesWritten(): number {
  return Number(/^wchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
}

async function diskAfterDrain(folder: string, count: number): Promise<number> {
  const queue = await open(folder)
  await fill(queue, count)
  await drain(queue)
  await queue.close()
  const path = join(folder, 'queue')
  const files = readdirSync(path).filter((name) => !name.startsWith('holdfast.'))
  return files.reduce((sum, name) => sum + statSync(join(path, name)).size, 0) / 1e6
}
