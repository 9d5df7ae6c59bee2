import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import type { Context } from './context.ts'
import { dedupeExpiryKey, dedupeExpiryLane, dedupeKey, laneKey, type Origin } from './format/keys.ts'
import type { Operation } from './state/operations.ts'
import { readEach, readSome } from './store/database.ts'

/** The first message that had a key. */
export interface Known extends Origin {
  epoch: bigint
  /** Queue time until which the key is remembered. */
  until: number
}

/** The idempotency window: keys on disk, the latest of them in memory. */
export interface Dedupe {
  /** Who had these keys before, by key; those that are free are not in the result. */
  lookup(keys: readonly string[]): Promise<Map<string, Known>>
  /** What remembers a key. */
  remember(operations: Operation[], key: string, known: Known): void
  /** A commit that remembered these keys failed. */
  forget(keys: readonly string[]): void
  /** What forgets keys whose time is over, some of them. */
  prune(operations: Operation[]): Promise<void>
}

const maxInMemory = 65_536
const pruneChunk = 512
const valueBytes = 25

export function createDedupe<T>(context: Context<T>): Dedupe {
  const { queue, store } = context
  const recent = new LRUCache<string, Known>({ max: maxInMemory })
  return { lookup, remember, forget, prune }

  async function lookup(keys: readonly string[]): Promise<Map<string, Known>> {
    const now = context.queueTime()
    const found = new Map<string, Known>()
    const unknown = new Set<string>()
    for (const key of keys) {
      const known = recent.get(key)
      if (!known) unknown.add(key)
      else if (known.until > now) found.set(key, known)
    }
    if (unknown.size === 0) return found
    const asked = [...unknown]
    const values = await store.readNow((database) =>
      readEach(
        database,
        asked.map((key) => dedupeKey(queue, hashOf(key))),
      ),
    )
    asked.forEach((key, index) => {
      const known = values[index] && decode(values[index])
      if (known && known.until > now) found.set(key, known)
    })
    return found
  }

  function remember(operations: Operation[], key: string, known: Known): void {
    const hash = hashOf(key)
    recent.set(key, known)
    operations.push([dedupeKey(queue, hash), encode(known)])
    operations.push([dedupeExpiryKey(queue, known.until, hash), Buffer.alloc(0)])
  }

  function forget(keys: readonly string[]): void {
    for (const key of keys) recent.delete(key)
  }

  async function prune(operations: Operation[]): Promise<void> {
    const now = context.queueTime()
    const range = {
      gte: laneKey(queue, dedupeExpiryLane),
      lt: dedupeExpiryKey(queue, now, Buffer.alloc(0)),
    }
    const over = await store.readNow((database) => readSome(database, range, pruneChunk))
    const values = await store.readNow((database) =>
      readEach(
        database,
        over.map(([key]) => dedupeKey(queue, key.subarray(9))),
      ),
    )
    over.forEach(([key], index) => {
      operations.push([key, undefined])
      const known = values[index] && decode(values[index])
      // The key may have been used again since.
      if (!known || known.until <= now) operations.push([dedupeKey(queue, key.subarray(9)), undefined])
    })
  }
}

/** 128 bits of SHA-256: keys of any length, and no chance collisions. */
function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest().subarray(0, 16)
}

function encode({ epoch, lane, seq, until }: Known): Buffer {
  const bytes = Buffer.allocUnsafe(valueBytes)
  bytes.writeBigUInt64BE(epoch, 0)
  bytes[8] = lane
  bytes.writeUIntBE(seq, 9, 6)
  bytes.writeUIntBE(until, 15, 6)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 21)), 21)
  return bytes
}

function decode(bytes: Buffer): Known | undefined {
  if (bytes.length !== valueBytes || crc32(bytes.subarray(0, 21)) !== bytes.readUInt32BE(21)) return undefined
  return {
    epoch: bytes.readBigUInt64BE(0),
    lane: bytes[8]!,
    seq: bytes.readUIntBE(9, 6),
    until: bytes.readUIntBE(15, 6),
  }
}
