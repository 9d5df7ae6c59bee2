import type { Attributes } from '../format/tree.ts'

/** The mode to give it: set-id bits only together with the owner. */
export function modeOf({ mode }: Attributes, owner: boolean): number {
  return owner ? mode : mode & 0o1777
}

/** For `utimes`, which cuts a double to microseconds: half of one more keeps the last digit right. */
export function mtimeSeconds({ mtimeNs }: Attributes): number {
  return (Number(BigInt(mtimeNs) / 1_000n) + 0.5) / 1e6
}
