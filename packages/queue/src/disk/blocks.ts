import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32c, unmask } from './crc32c.ts'
import { uncompress } from './snappy.ts'

/**
 * Checks LevelDB's tables without LevelDB, which aborts the process on some damage.
 * The format is that of LevelDB's doc/table_format.md.
 */
const footerBytes = 48
const magic = 0xdb4775248b80fb57n
const trailerBytes = 5

/**
 * Names of the tables in this folder of which a block is damaged.
 *
 * Of those without an end only with `'all'`: a process that is killed leaves the one that it was writing,
 * which LevelDB knows nothing of and removes. One that it does know it refuses, without aborting.
 */
export async function checkTables(folder: string, which: 'finished' | 'all'): Promise<string[]> {
  const damaged: string[] = []
  for (const file of await readdir(folder)) {
    if (!/^\d+\.(?:ldb|sst)$/.test(file)) continue
    const table = await readFile(join(folder, file))
    if ((which === 'all' || isFinished(table)) && !isTableIntact(table)) damaged.push(file)
  }
  return damaged
}

/** The footer is written last. */
function isFinished(table: Buffer): boolean {
  return table.length >= footerBytes && table.readBigUInt64LE(table.length - 8) === magic
}

export function isTableIntact(table: Buffer): boolean {
  if (!isFinished(table)) return false
  try {
    const footer = table.subarray(table.length - footerBytes)
    const reader = { bytes: footer, at: 0 }
    const metaIndex = readHandle(reader)
    const index = readBlock(table, readHandle(reader))
    const handles = [metaIndex, ...handlesIn(readBlock(table, metaIndex)), ...handlesIn(index)]
    for (const handle of handles) checkBlock(table, handle)
    return true
  } catch (error) {
    // Whatever its bytes made us do, such as read beyond the end: it is not a table.
    if (error instanceof RangeError) return false
    throw error
  }
}

interface Handle {
  offset: number
  size: number
}

interface Reader {
  bytes: Buffer
  at: number
}

function readBlock(table: Buffer, handle: Handle): Buffer {
  const type = checkBlock(table, handle)
  const content = table.subarray(handle.offset, handle.offset + handle.size)
  return type === 1 ? uncompress(content) : content
}

/** Its type, if the checksum over content and type is right; else a RangeError. */
function checkBlock(table: Buffer, { offset, size }: Handle): number {
  if (offset + size + trailerBytes > table.length) throw new RangeError('block beyond the end')
  const end = offset + size + 1
  if (crc32c(table.subarray(offset, end)) !== unmask(table.readUInt32LE(end)))
    throw new RangeError('checksum')
  return table[offset + size]!
}

/** The handles that an index block's values hold. */
function handlesIn(block: Buffer): Handle[] {
  const restarts = block.readUInt32LE(block.length - 4)
  const end = block.length - 4 - 4 * restarts
  const reader = { bytes: block, at: 0 }
  const handles: Handle[] = []
  while (reader.at < end) {
    readVarint(reader)
    const unshared = readVarint(reader)
    const valueBytes = readVarint(reader)
    const start = reader.at + unshared
    handles.push(readHandle({ bytes: block, at: start }))
    reader.at = start + valueBytes
  }
  return handles
}

function readHandle(reader: Reader): Handle {
  return { offset: readVarint(reader), size: readVarint(reader) }
}

function readVarint(reader: Reader): number {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = reader.bytes.readUInt8(reader.at++)
    value += (byte & 0x7f) * scale
    if (byte < 128) return value
  }
}
