import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { type Load, payload, perSecond } from './ours.ts'

type Raw = ClassicLevel<Buffer, Uint8Array>

/** Chained batches of as many records as ours has callers: the next is put together when the last is written. */
export async function rawBatches(folder: string, { callers, mode, count, bytes }: Load): Promise<number> {
  const level = await openRaw(folder)
  const speed = await perSecond(count, () => fillRaw(level, count, callers, mode === 'fsync', bytes))
  await level.close()
  return speed
}

/** What one writes without pages: read 128 records, delete each of them; the next are read while that is being written. */
export async function drainRecords(folder: string, count: number): Promise<number> {
  const level = await openRaw(folder)
  await fillRaw(level, count, 1_024, false, payload)
  await level.close()
  await level.open()
  const speed = await perSecond(count, async () => {
    let deleted: Promise<void> = Promise.resolve()
    for (let last = Buffer.alloc(0); ; ) {
      const pairs = await level.iterator({ gt: last, limit: 128 }).all()
      await deleted
      if (pairs.length === 0) return
      const batch = level.batch()
      for (const [key] of pairs) batch.del(key)
      deleted = batch.write({ sync: false })
      last = pairs.at(-1)![0]
    }
  })
  await level.close()
  return speed
}

async function openRaw(folder: string): Promise<Raw> {
  const path = join(folder, 'raw')
  const level: Raw = new ClassicLevel(path, { keyEncoding: 'buffer', valueEncoding: 'view' })
  await level.open()
  return level
}

async function fillRaw(
  level: Raw,
  count: number,
  size: number,
  sync: boolean,
  bytes: Uint8Array,
): Promise<void> {
  for (let next = 0; next < count; ) {
    const batch = level.batch()
    for (const end = Math.min(next + size, count); next < end; next++) batch.put(keyOf(next), bytes)
    await batch.write({ sync })
  }
}

function keyOf(seq: number): Buffer {
  const key = Buffer.allocUnsafe(8)
  key.writeUInt16BE(0, 0)
  key.writeUIntBE(seq, 2, 6)
  return key
}
