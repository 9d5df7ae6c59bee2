import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Benchmark, Row } from './harness.ts'
import { longBacklog, takeOneMicros } from './queue/backlog.ts'
import { drain, enqueue, fill, type Mode, open, payload, perSecond, takeAll } from './queue/ours.ts'
import { peerRows } from './queue/peer-rows.ts'
import { drainRecords, rawBatches } from './queue/raw.ts'

const longDrain = 100_000

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
      ours: ({ folder, quick }) =>
        takeAll(folder, { callers: 128, mode: 'os', count: quick ? 50_000 : 200_000, bytes: payload }),
      peer: {
        name: 'one record per message',
        measure: ({ folder, quick }) => drainRecords(folder, quick ? 50_000 : 200_000),
      },
    },
    {
      id: 'drain-long',
      title: 'batched drain with 10 million waiting ÷ with 1,000',
      unit: 'messages/s',
      target: { of: 'ratio', is: '>=', value: 0.7 },
      quick: false,
      rounds: 3,
      ours: async ({ folder, quick }) => {
        await copyBacklog(folder, quick)
        return await drainSome(folder)
      },
      peer: { name: 'a backlog of 1,000', measure: ({ folder }) => drainThousands(folder) },
    },
    {
      id: 'take-long',
      title: 'take and acknowledge one, median, 10 million waiting ÷ 10,000',
      unit: 'µs',
      target: { of: 'ratio', is: '<=', value: 2 },
      quick: false,
      rounds: 3,
      ours: async ({ folder, quick }) => {
        await copyBacklog(folder, quick)
        return await takeOneMicros(folder)
      },
      peer: {
        name: 'a backlog of 10,000',
        measure: async ({ folder }) => {
          await fillAndClose(folder, 10_000)
          return await takeOneMicros(folder)
        },
      },
    },
    {
      id: 'reopen',
      title: 'open the folder of a killed owner with 10 million messages',
      unit: 's',
      target: { of: 'ours', is: '<=', value: 0.5 },
      quick: false,
      rounds: 3,
      ours: async ({ folder, quick }) => {
        await copyBacklog(folder, quick)
        const start = performance.now()
        const queue = await open(folder)
        const seconds = (performance.now() - start) / 1_000
        await queue.close()
        return seconds
      },
    },
    {
      id: 'memory',
      title: 'resident memory, from 1,000 waiting to 10 million',
      unit: 'MB',
      target: { of: 'ours', is: '<=', value: 64 },
      quick: false,
      rounds: 1,
      ours: async ({ quick }) => (await longBacklog(quick)).growth,
    },
    {
      id: 'write-amplification',
      title: 'bytes written ÷ payload bytes while filling',
      unit: '×',
      target: { of: 'ours', is: '<=', value: 2.2 },
      quick: true,
      rounds: 2,
      ours: ({ folder, quick }) => writeAmplification(folder, quick ? 200_000 : 1_000_000),
    },
    {
      id: 'disk-after-drain',
      title: 'left on disk after a full drain, without the ballast',
      unit: 'MB',
      target: { of: 'ours', is: '<=', value: 2 },
      quick: true,
      rounds: 2,
      ours: ({ folder, quick }) => diskAfterDrain(folder, quick ? 50_000 : 500_000),
    },
    ...peerRows,
  ],
}

function enqueueRow(callers: number, mode: Mode, target: number): Row {
  const loadOf = (quick: boolean) => {
    const count = (mode === 'fsync' ? 60_000 : 200_000) / (quick ? 2 : 1)
    return { callers, mode, count, bytes: payload }
  }
  return {
    id: `enqueue-${callers}-${mode}`,
    title: `enqueue, 256 B, ${callers} in flight, ${mode}`,
    unit: 'messages/s',
    target: { of: 'ratio', is: '>=', value: target },
    quick: true,
    ours: ({ folder, quick }) => enqueue(folder, loadOf(quick)),
    peer: {
      name: 'classic-level, chained batches',
      measure: ({ folder, quick }) => rawBatches(folder, loadOf(quick)),
    },
  }
}

async function copyBacklog(folder: string, quick: boolean): Promise<void> {
  const backlog = await longBacklog(quick)
  backlog.copyTo(folder)
}

async function fillAndClose(folder: string, count: number): Promise<void> {
  const queue = await open(folder)
  await fill(queue, count)
  await queue.close()
}

async function drainSome(folder: string): Promise<number> {
  const queue = await open(folder)
  const speed = await perSecond(longDrain, () => drain(queue, longDrain))
  await queue.close()
  return speed
}

/** A thousand at a time, of which only the draining counts. */
async function drainThousands(folder: string): Promise<number> {
  const queue = await open(folder)
  let milliseconds = 0
  for (let done = 0; done < longDrain; done += 1_000) {
    await fill(queue, 1_000)
    const start = performance.now()
    await drain(queue)
    milliseconds += performance.now() - start
  }
  await queue.close()
  return (longDrain / milliseconds) * 1_000
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
