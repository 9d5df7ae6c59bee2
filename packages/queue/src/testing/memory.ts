import { systemClock } from '@holdfast/core'
import { MemoryLevel } from 'memory-level'
import { type Hub, openHub } from '../hub.ts'
import type { Operation } from '../state/operations.ts'
import type { Database } from '../store/database.ts'
import type { Medium } from '../store/medium.ts'
import type { Queue, QueueOptions } from '../types.ts'

/** What stays when a queue in memory is closed, or dropped as a crash would drop it. */
export interface MemoryDisk {
  /** Of the queue that is open on it. @internal */
  hub: Promise<Hub> | undefined
  /** @internal */
  readonly level: MemoryLevel<Buffer, Buffer>
  /** What a crash now would leave, or a copy of the folder would hold. */
  copy(): Promise<MemoryDisk>
}

export interface MemoryQueueOptions<T> extends QueueOptions<T> {
  /** Opens what an earlier queue left on this disk. @default a new one */
  disk?: MemoryDisk
}

export function createMemoryDisk(): MemoryDisk {
  const level = new MemoryLevel<Buffer, Buffer>({ keyEncoding: 'buffer', valueEncoding: 'buffer' })
  return { level, hub: undefined, copy }

  async function copy(): Promise<MemoryDisk> {
    const twin = createMemoryDisk()
    const pairs = await level.iterator().all()
    await twin.level.batch(pairs.map(([key, value]) => ({ type: 'put', key, value })))
    return twin
  }
}

/**
 * The same queue over `memory-level`, for tests: with no file, and with no time
 * but that of the clock that is given. Options about files do nothing.
 */
export async function openMemoryQueue<T = unknown>({
  disk = createMemoryDisk(),
  ...options
}: MemoryQueueOptions<T> = {}): Promise<Queue<T>> {
  const { clock = systemClock, random = Math.random } = options
  disk.hub ??= openHub({
    ...{ clock, random, place: 'memory' },
    medium: createMemory(disk.level),
    onEmpty: () => {
      disk.hub = undefined
    },
  })
  return await (await disk.hub).openQueue(options)
}

function createMemory(level: MemoryLevel<Buffer, Buffer>): Medium {
  const database: Database = {
    get: (key) => level.get(key),
    getMany: (keys) => level.getMany(keys),
    iterator: (range) => level.iterator(range),
    // Unlike LevelDB, `memory-level` keeps the very buffers it is given.
    write: (operations) => level.batch(operations.map(copyOf)),
    // It stays open: closing and reopening it is what a test of this very code does with it.
    close: async () => undefined,
  }
  return {
    open: async () => database,
    reopen: async () => database,
    isLowOnSpace: () => false,
    regainSpace: async () => undefined,
    close: async () => undefined,
    recovery: { unclean: false, repaired: false, quarantined: [] },
  }
}

type Copy = { type: 'put'; key: Buffer; value: Buffer } | { type: 'del'; key: Buffer }

/** @internal */
export function copyOf([key, value]: Operation): Copy {
  return value
    ? { type: 'put', key: Buffer.from(key), value: Buffer.from(value) }
    : { type: 'del', key: Buffer.from(key) }
}
