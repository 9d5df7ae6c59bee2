import { Level } from 'level'
import type { Operation } from '../state/operations.ts'
import type { Database } from '../store/database.ts'

const keyEncoding = 'buffer'
const valueEncoding = 'buffer'
const largeBytes = 8_192

/** Opens a LevelDB in a folder. */
export async function openLevel(path: string, createIfMissing: boolean): Promise<Database> {
  const level = new Level<Buffer, Buffer>(path, { keyEncoding, valueEncoding, createIfMissing })
  await level.open()
  // The types of `level` are those that it shares with browsers; on Node it is `classic-level`.
  const { compactRange } = level as unknown as Required<Pick<Database, 'compactRange'>>
  return {
    get: (key) => level.get(key),
    getMany: (keys) => level.getMany(keys),
    iterator: (range) => level.iterator(range),
    compactRange: (start, end) => compactRange.call(level, start, end),
    close: () => level.close(),
    write: (operations, options) =>
      (areLarge(operations) ? writeArray : writeChained)(level, operations, options),
  }
}

function areLarge(operations: readonly Operation[]): boolean {
  let bytes = 0
  for (const [, value] of operations) bytes += value?.length ?? 0
  return bytes >= largeBytes * operations.length
}

/**
 * For pages. The memory of a batch goes back as soon as it is written, and is
 * used again by the next; that of a chained one is kept until a garbage
 * collection, so each has to get new memory from the kernel, which takes
 * longer than all else.
 */
function writeArray(
  level: Level<Buffer, Buffer>,
  operations: readonly Operation[],
  options: { sync: boolean },
): Promise<void> {
  const batch = operations.map(([key, value]) =>
    value
      ? ({ type: 'put', key, value, keyEncoding, valueEncoding } as const)
      : ({ type: 'del', key, keyEncoding } as const),
  )
  return level.batch(batch, options as object)
}

/** For small records, of which it takes a tenth of the time. */
function writeChained(
  level: Level<Buffer, Buffer>,
  operations: readonly Operation[],
  options: { sync: boolean },
): Promise<void> {
  const batch = level.batch()
  for (const [key, value] of operations) value ? batch.put(key, value) : batch.del(key)
  return batch.write(options as object)
}
