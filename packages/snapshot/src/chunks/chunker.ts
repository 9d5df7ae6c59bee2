import { createHash, createHmac } from 'node:crypto'

/** The sizes that content is cut to, in bytes. Part of the format: another choice finds no old chunk again. */
export interface ChunkerSizes {
  readonly minBytes: number
  readonly averageBytes: number
  readonly maxBytes: number
}

/** Returns the length of the first chunk in `bytes[start, end)`; pass at least `maxBytes`, or all that is left. */
export type Cut = (bytes: Uint8Array, start: number, end: number) => number

export const defaultSizes: ChunkerSizes = { minBytes: 1 << 18, averageBytes: 1 << 20, maxBytes: 1 << 22 }

/**
 * Content-defined chunking: FastCDC with normalization level 2
 * (W. Xia et al., USENIX ATC 2016), on a 32-bit gear hash whose top bits are tested.
 *
 * An insertion changes the chunks around it and no others. The gear table comes
 * from `key`, so that chunk lengths tell nothing of the content to who lacks it.
 */
export function createCut(
  key: Uint8Array | undefined,
  { minBytes, averageBytes, maxBytes }: ChunkerSizes = defaultSizes,
): Cut {
  const gear = gearTable(key)
  const bits = Math.round(Math.log2(averageBytes))
  const strict = topBits(bits + 2)
  const loose = topBits(bits - 2)
  return (bytes, start, end) => {
    const most = Math.min(end - start, maxBytes)
    if (most <= minBytes) return most
    const middle = start + Math.min(most, averageBytes)
    const found = scan(bytes, start + minBytes, middle, gear, strict, 0)
    if (found.at > 0) return found.at - start
    const later = scan(bytes, middle, start + most, gear, loose, found.hash)
    return later.at > 0 ? later.at - start : most
  }
}

/** Rolls over `bytes[from, to)` until the masked hash is 0; `at` is the position after that byte, or 0. */
function scan(
  bytes: Uint8Array,
  from: number,
  to: number,
  gear: Int32Array,
  mask: number,
  hash: number,
): { at: number; hash: number } {
  let rolling = hash
  let position = from
  // Unrolled by four: the loop's own bookkeeping costs as much as the hash.
  for (const last = to - 3; position < last; position += 4) {
    rolling = ((rolling << 1) + gear[bytes[position]!]!) | 0
    if ((rolling & mask) === 0) return { at: position + 1, hash: 0 }
    rolling = ((rolling << 1) + gear[bytes[position + 1]!]!) | 0
    if ((rolling & mask) === 0) return { at: position + 2, hash: 0 }
    rolling = ((rolling << 1) + gear[bytes[position + 2]!]!) | 0
    if ((rolling & mask) === 0) return { at: position + 3, hash: 0 }
    rolling = ((rolling << 1) + gear[bytes[position + 3]!]!) | 0
    if ((rolling & mask) === 0) return { at: position + 4, hash: 0 }
  }
  for (; position < to; position += 1) {
    rolling = ((rolling << 1) + gear[bytes[position]!]!) | 0
    if ((rolling & mask) === 0) return { at: position + 1, hash: 0 }
  }
  return { at: 0, hash: rolling }
}

function topBits(count: number): number {
  return -(2 ** (32 - count)) | 0
}

function gearTable(key: Uint8Array | undefined): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    const label = `holdfast gear ${byte}`
    const hash = key ? createHmac('sha256', key).update(label) : createHash('sha256').update(label)
    return hash.digest().readInt32LE(0)
  })
}
