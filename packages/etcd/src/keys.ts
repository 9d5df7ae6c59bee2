import { coordinationError, type Selection } from '@holdfast/coordination'

/** What etcd calls a range: one key, or from `key` up to but without `range_end`. */
export interface KeyRange {
  key: Buffer
  range_end?: Buffer
}

/** Between the port's keys and etcd's bytes: UTF-8 below one prefix. */
export interface Namespace {
  key(key: string): Buffer
  range(selection: Selection): KeyRange
  /** The port's key; bytes that are no UTF-8 come as U+FFFD. */
  decode(bytes: Buffer): string
}

const zero = Buffer.from([0])

export function createNamespace(prefix: string): Namespace {
  const prefixLength = Buffer.byteLength(prefix)
  return {
    key,
    range: (selection) => ('key' in selection ? { key: key(selection.key) } : below(selection.prefix)),
    decode: (bytes) => bytes.toString('utf8', prefixLength),
  }

  function key(name: string): Buffer {
    if (name === '') throw refused('a key must have at least one character')
    return encode(name)
  }

  function below(selected: string): KeyRange {
    const start = encode(selected)
    return start.length === 0 ? { key: zero, range_end: zero } : { key: start, range_end: prefixEnd(start) }
  }

  function encode(name: string): Buffer {
    if (/\p{Surrogate}/u.test(name))
      throw refused(`the key ${JSON.stringify(name)} has half a surrogate pair`)
    return Buffer.from(prefix + name)
  }
}

/** The first key after all that begin with `prefix`: its last byte that can be raised, raised. etcd's `\0`, "no end", where none can. */
export function prefixEnd(prefix: Buffer): Buffer {
  const last = prefix.findLastIndex((byte) => byte < 0xff)
  if (last < 0) return zero
  const end = Buffer.from(prefix.subarray(0, last + 1))
  end[last]! += 1
  return end
}

function refused(message: string): Error {
  return coordinationError('STORE_REFUSED', message)
}
