import type { Benchmark, Round, Row } from './harness.ts'
import { cpuMicros, seconds, withCollector } from './uplink/collector.ts'
import {
  type Compression,
  drainByFetch,
  drainByUplink,
  openFilled,
  type Reading,
  reading,
  shipByFetch,
  shipByUplink,
} from './uplink/ship.ts'
import { uploadByFetch, uploadByTus, writeFileOf } from './uplink/upload.ts'

const peer = 'a bare fetch loop'

export const benchmark: Benchmark = {
  name: 'uplink',
  rows: [
    shipRow('none'),
    shipRow('gzip'),
    cpuRow('none'),
    cpuRow('gzip'),
    {
      id: 'ship-queue',
      title: 'ship what a queue on disk holds, gzip',
      unit: 'messages/s',
      target: { of: 'ratio', is: '>=', value: 0.9 },
      quick: true,
      ours: (round) => drain(round, drainByUplink),
      peer: { name: 'take, fetch, ack', measure: (round) => drain(round, drainByFetch) },
    },
    {
      id: 'upload',
      title: 'upload one file in resumable chunks of 8 MiB',
      unit: 'MB/s',
      target: { of: 'ratio', is: '>=', value: 0.8 },
      quick: true,
      ours: (round) => upload(round, uploadByTus),
      peer: { name: 'one fetch, PUT', measure: (round) => upload(round, uploadByFetch) },
    },
  ],
}

type Ship = (url: string, readings: readonly Reading[], compression: Compression) => Promise<void>

function shipRow(compression: Compression): Row {
  const measure = (ship: Ship) => (round: Round) =>
    onCollector(round, async (url, readings) => {
      return readings.length / (await seconds(() => ship(url, readings, compression)))
    })
  return {
    id: `ship-${compression}`,
    title: `ship batches of 256, ${nameOf(compression)}`,
    unit: 'messages/s',
    target: { of: 'ratio', is: '>=', value: 0.9 },
    quick: true,
    ours: measure(shipByUplink),
    peer: { name: peer, measure: measure(shipByFetch) },
  }
}

function cpuRow(compression: Compression): Row {
  const measure = (ship: Ship) => (round: Round) =>
    onCollector(round, async (url, readings) => {
      return (await cpuMicros(() => ship(url, readings, compression))) / readings.length
    })
  return {
    id: `cpu-${compression}`,
    title: `the sender’s processor time, ${nameOf(compression)}`,
    unit: 'µs/message',
    // More than the loop does: an id's digest, a lease and an acknowledgement for every message.
    target: { of: 'ratio', is: '<=', value: 1.25 },
    quick: true,
    ours: measure(shipByUplink),
    peer: { name: peer, measure: measure(shipByFetch) },
  }
}

function nameOf(compression: Compression): string {
  return compression === 'none' ? 'uncompressed' : 'gzip'
}

/** What comes before everything is compiled and connected is not counted. */
function onCollector(
  { quick }: Round,
  measure: (url: string, readings: readonly Reading[]) => Promise<number>,
): Promise<number> {
  const readings = Array.from({ length: quick ? 50_000 : 200_000 }, (_, number) => reading(number))
  return withCollector(async (url) => {
    await measure(url, readings.slice(0, 10_000))
    return await measure(url, readings)
  })
}

function drain(
  { folder, quick }: Round,
  ship: (url: string, queue: Awaited<ReturnType<typeof openFilled>>) => Promise<void>,
): Promise<number> {
  const readings = Array.from({ length: quick ? 30_000 : 150_000 }, (_, number) => reading(number))
  return withCollector(async (url) => {
    await using queue = await openFilled(folder, readings)
    return readings.length / (await seconds(() => ship(url, queue)))
  })
}

async function upload(
  { folder, quick }: Round,
  send: (url: string, path: string) => Promise<void>,
): Promise<number> {
  const megabytes = quick ? 128 : 512
  const path = await writeFileOf(folder, megabytes * 2 ** 20)
  return await withCollector(async (url) => {
    return (megabytes * 2 ** 20) / 1e6 / (await seconds(() => send(url, path)))
  })
}
