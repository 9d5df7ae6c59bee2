import type { Context } from '../context.ts'
import type { SourceFile } from '../source/source.ts'

/** Reads a file to its end and hands over its chunks in order, each in memory of its own. Resolves to how many bytes there were. */
export async function splitFile(
  file: SourceFile,
  { cut, format: { chunker } }: Pick<Context, 'cut' | 'format'>,
  onChunk: (chunk: Uint8Array) => Promise<void>,
  onRead: (bytes: number) => void,
): Promise<number> {
  const { size: expected } = file.attributes
  // For a small file its size and a byte more, so that a read which fills less is the last.
  const buffer = Buffer.allocUnsafeSlow(expected < chunker.minBytes ? expected + 1 : 2 * chunker.maxBytes)
  let size = 0
  let end = 0
  for (let ended = false; !ended; ) {
    while (!ended && end < buffer.length) {
      const count = await file.read(buffer.subarray(end))
      onRead(count)
      ended = count === 0
      end += count
      size += count
    }
    const least = ended ? 1 : Math.min(chunker.maxBytes, buffer.length)
    let start = 0
    while (end - start >= least) {
      const length = cut(buffer, start, end)
      await onChunk(Buffer.from(buffer.subarray(start, start + length)))
      start += length
    }
    buffer.copyWithin(0, start, end)
    end -= start
  }
  return size
}
