const blockBytes = 4_096
const zeros = Buffer.alloc(blockBytes)

/** The parts of a buffer that are not whole blocks of zeros. */
export function solidRanges(bytes: Uint8Array): [from: number, to: number][] {
  const ranges: [number, number][] = []
  for (let from = 0; from < bytes.length; from += blockBytes) {
    const to = Math.min(from + blockBytes, bytes.length)
    if (zeros.compare(bytes, from, to, 0, to - from) === 0) continue
    const last = ranges.at(-1)
    if (last && last[1] === from) last[1] = to
    else ranges.push([from, to])
  }
  return ranges
}
