/** What a LevelDB consists of at one moment. */
export interface Version {
  /** Logs of this number and above are not in tables yet. */
  readonly logNumber: number
  /** A log before that one which is still needed; 0 for none. Written by old releases only. */
  readonly previousLogNumber: number
  /** Live tables: number → size in bytes. */
  readonly tables: ReadonlyMap<number, number>
}

/** Of a MANIFEST without an edit. */
export const noVersion: Version = { logNumber: 0, previousLogNumber: 0, tables: new Map() }

/** What a version becomes by a MANIFEST's version edits (db/version_edit.cc), in order. Throws a RangeError at one that it does not know. */
export function applyEdits(version: Version, records: readonly Uint8Array[]): Version {
  const tables = new Map(version.tables)
  let { logNumber, previousLogNumber } = version
  for (const record of records) {
    const read = reader(record)
    const added = new Map<number, number>()
    while (!read.atEnd()) {
      const tag = read.varint()
      if (tag === 1)
        read.bytes() // comparator
      else if (tag === 2) logNumber = read.varint()
      else if (tag === 3 || tag === 4)
        read.varint() // next file number, last sequence
      else if (tag === 5) {
        read.varint() // level
        read.bytes() // compaction pointer
      } else if (tag === 6) {
        read.varint() // level
        tables.delete(read.varint())
      } else if (tag === 7) {
        read.varint() // level
        const number = read.varint()
        added.set(number, read.varint())
        read.bytes() // smallest key
        read.bytes() // largest key
      } else if (tag === 9) previousLogNumber = read.varint()
      else throw new RangeError(`a MANIFEST has an edit of kind ${tag}`)
    }
    // An edit that moves a table to another level deletes and adds the same number.
    for (const [number, size] of added) tables.set(number, size)
  }
  return { logNumber, previousLogNumber, tables }
}

interface EditReader {
  atEnd(): boolean
  varint(): number
  bytes(): Uint8Array
}

function reader(record: Uint8Array): EditReader {
  let at = 0
  return { atEnd: () => at >= record.length, varint, bytes }

  function varint(): number {
    let value = 0
    for (let scale = 1; scale < 2 ** 64; scale *= 128) {
      const byte = record[at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw new RangeError('a MANIFEST has an edit that ends early')
  }

  function bytes(): Uint8Array {
    const length = varint()
    at += length
    if (at > record.length) throw new RangeError('a MANIFEST has an edit that ends early')
    return record.subarray(at - length, at)
  }
}
