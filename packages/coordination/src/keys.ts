import type { Selection } from './store.ts'

/** Orders keys as their UTF-8 bytes do, which is not how JavaScript orders strings: see RFC 2781, "surrogate pairs". */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let index = 0; index < length; index += 1) {
    const left = a.charCodeAt(index)
    const right = b.charCodeAt(index)
    if (left !== right) return codePointRank(left) - codePointRank(right)
  }
  return a.length - b.length
}

export function selects(selection: Selection, key: string): boolean {
  return 'key' in selection ? selection.key === key : key.startsWith(selection.prefix)
}

/** Where `key` stands, or would stand, in a list sorted by key. */
export function lowerBound<T>(sorted: readonly T[], key: string, keyOf: (item: T) => string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(keyOf(sorted[middle]!), key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Moves the surrogates, whose code points lie above U+FFFF, above the rest of the plane. */
function codePointRank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
