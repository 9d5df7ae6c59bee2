import { crc32 } from 'node:zlib'
import type { Clock, Random } from '@holdfast/core'
import { queueError } from './errors.ts'
import { laneEnd, laneKey } from './format/keys.ts'
import { checkOptions } from './options.ts'
import { createQueue } from './queue.ts'
import { type Database, isCorruption } from './store/database.ts'
import type { Medium } from './store/medium.ts'
import { createStore, type Store, type Watcher } from './store/store.ts'
import type { Queue, QueueOptions } from './types.ts'

/** One open database and the queues on it. Closes with the last of them. */
export interface Hub {
  openQueue<T>(options: QueueOptions<T>): Promise<Queue<T>>
}

export interface HubParts {
  medium: Medium
  clock: Clock
  random: Random
  /** What errors call it. */
  place: string
  /** Called when the last queue leaves, with the end of the closing. */
  onEmpty(closed: Promise<void>): void
}

const catalog = { gte: laneKey(0, 0), lt: laneEnd(0, 0) }
/** Known without the catalog, for that may be damaged. */
const defaultQueue = { name: 'default', number: 1 }
const lastQueue = 65_534

export async function openHub({ medium, clock, random, place, onEmpty }: HubParts): Promise<Hub> {
  const watchers = new Set<Watcher>()
  const names = new Set<string>()
  const store = createStore({ medium, database: await medium.open(), clock, random, watchers })
  let numbering: Promise<unknown> = Promise.resolve()
  return { openQueue }

  async function openQueue<T>(options: QueueOptions<T>): Promise<Queue<T>> {
    const settings = checkOptions(options)
    const { name } = settings
    if (names.has(name))
      throw queueError(
        'QUEUE_LOCKED',
        `Queue ${name} of ${place} is open in this process already; use that one.`,
        {
          fields: { place, name },
        },
      )
    names.add(name)
    try {
      const queue = await inTurn(() => numberOf(store, name))
      return await createQueue({ settings, store, medium, queue, watchers, leave: () => leave(name) })
    } catch (error) {
      await leave(name)
      throw error
    }
  }

  /** One at a time: two new names must not get one number. */
  function inTurn<R>(operation: () => Promise<R>): Promise<R> {
    const turn = numbering.then(operation, operation)
    numbering = turn.catch(() => undefined)
    return turn
  }

  async function leave(name: string): Promise<void> {
    names.delete(name)
    if (names.size > 0) return await store.settled()
    const closed = store.close()
    onEmpty(closed)
    await closed
  }
}

/** The number of a name, given to it here if it is new. */
async function numberOf(store: Store, name: string): Promise<number> {
  if (name === defaultQueue.name) return defaultQueue.number
  const key = Buffer.concat([laneKey(0, 0), Buffer.from(name)])
  const taken = await store.read(readCatalog).catch((cause: unknown) => {
    throw isCorruption(cause) ? catalogError(cause) : cause
  })
  const known = taken.get(key.toString('latin1'))
  if (known !== undefined) return known
  const number = Math.max(defaultQueue.number, ...taken.values()) + 1
  if (number > lastQueue) throw new RangeError(`a folder holds at most ${lastQueue} queues`)
  await store.put(key, writeNumber(number))
  return number
}

function writeNumber(number: number): Buffer {
  const value = Buffer.alloc(6)
  value.writeUInt16BE(number, 0)
  value.writeUInt32BE(crc32(value.subarray(0, 2)), 2)
  return value
}

function readNumber(value: Buffer): number | undefined {
  if (value.length !== 6 || crc32(value.subarray(0, 2)) !== value.readUInt32BE(2)) return undefined
  return value.readUInt16BE(0)
}

async function readCatalog(database: Database): Promise<Map<string, number>> {
  const cursor = database.iterator(catalog)
  const numbers = new Map<string, number>()
  try {
    for (let pairs = await cursor.nextv(1_000); pairs.length > 0; pairs = await cursor.nextv(1_000))
      for (const [key, value] of pairs) {
        const number = readNumber(value)
        if (number === undefined) throw catalogError(undefined)
        numbers.set(key.toString('latin1'), number)
      }
    return numbers
  } finally {
    await cursor.close()
  }
}

/** Going on would give a queue that is there the number of a new one. */
function catalogError(cause: unknown): Error {
  return queueError(
    'QUEUE_CORRUPT',
    'The names of the queues in this folder cannot be read; restore a snapshot.',
    { cause },
  )
}
