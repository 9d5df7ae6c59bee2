import type { Operation } from '../state/operations.ts'

/** The part of an abstract-level database that the queue uses, with keys and values as Buffers. */
export interface Database {
  get(key: Buffer): Promise<Buffer | undefined>
  getMany(keys: Buffer[]): Promise<(Buffer | undefined)[]>
  /** All or nothing, in order. Has copied keys and values when it returns. */
  write(operations: readonly Operation[], options: { sync: boolean }): Promise<void>
  iterator(range: Range): Cursor
  compactRange?(start: Buffer, end: Buffer): Promise<void>
  close(): Promise<void>
}

export interface Range {
  gte: Buffer
  lt: Buffer
  reverse?: boolean
  limit?: number
  fillCache?: boolean
  highWaterMarkBytes?: number
}

export interface Cursor {
  nextv(size: number): Promise<Pair[]>
  close(): Promise<void>
}

export type Pair = [Buffer, Buffer]

const chunkPairs = 64
const chunkBytes = 1_048_576

/**
 * Reads at most `limit` pairs, fewer where they are large; none at the end.
 *
 * LevelDB steps over a block that it cannot read, and says so only at the end
 * of the range, in place of the last pairs. Then they are read one by one, so
 * that all that can be read is; what is missing shows in the sequence numbers.
 */
export async function readSome(
  database: Database,
  range: Range,
  limit: number = chunkPairs,
): Promise<Pair[]> {
  const bounded = { highWaterMarkBytes: chunkBytes, ...range, limit }
  const cursor = database.iterator(bounded)
  try {
    return await cursor.nextv(limit)
  } catch (error) {
    if (!isCorruption(error)) throw error
    return await readOneByOne(database, bounded)
  } finally {
    await cursor.close()
  }
}

/** Reads values; one in a block that cannot be read is undefined, as one that is not there. */
export async function readEach(database: Database, keys: Buffer[]): Promise<(Buffer | undefined)[]> {
  try {
    return await database.getMany(keys)
  } catch (error) {
    if (!isCorruption(error)) throw error
    return await Promise.all(keys.map((key) => readOne(database, key)))
  }
}

/** Like `readEach`, for one. */
export async function readOne(database: Database, key: Buffer): Promise<Buffer | undefined> {
  try {
    return await database.get(key)
  } catch (error) {
    if (!isCorruption(error)) throw error
    return undefined
  }
}

/** All pairs of a range, in chunks. */
export async function* readAll(database: Database, range: Range): AsyncGenerator<Pair> {
  for (let gte = range.gte; ; ) {
    const pairs = await readSome(database, { ...range, gte, fillCache: false })
    yield* pairs
    const last = pairs.at(-1)
    if (!last) return
    gte = after(last[0])
  }
}

/** The least key above this one. */
export function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])])
}

async function readOneByOne(database: Database, range: Range & { limit: number }): Promise<Pair[]> {
  const cursor = database.iterator(range)
  const pairs: Pair[] = []
  try {
    while (pairs.length < range.limit) {
      const [pair] = await cursor.nextv(1)
      if (!pair) break
      pairs.push(pair)
    }
  } catch (error) {
    if (!isCorruption(error)) throw error
  } finally {
    await cursor.close()
  }
  return pairs
}

export function isCorruption(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if ((cause as { code?: unknown }).code === 'LEVEL_CORRUPTION' || /corrupt/i.test(cause.message))
      return true
  return false
}
