import type { Entry } from '@holdfast/coordination'

/**
 * What a candidate's key holds: JSON, in UTF-8, version 1: what others may read about the
 * candidate, or that it has left. Such a mark stays where a delayed request of ours could
 * otherwise put the key again with nobody behind it.
 */
export function encodeCandidate(value: string): Uint8Array {
  return Buffer.from(JSON.stringify({ v: 1, value }))
}

export const leftMark: Uint8Array = Buffer.from(JSON.stringify({ v: 1, left: true }))

/** Whose turn it is: the lowest create revision of those who have not left. */
export function firstOf(entries: readonly Entry[]): Entry | undefined {
  let first: Entry | undefined
  for (const entry of entries)
    if ((!first || entry.createRevision < first.createRevision) && !hasLeft(entry)) first = entry
  return first
}

export function hasLeft({ value }: Entry): boolean {
  return Buffer.compare(value, leftMark) === 0
}

/** '' where the key holds nothing that was written by `encodeCandidate`. */
export function decodeCandidate(bytes: Uint8Array): string {
  try {
    const { value } = JSON.parse(Buffer.from(bytes).toString()) as { value?: unknown }
    return typeof value === 'string' ? value : ''
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return ''
    throw error
  }
}
