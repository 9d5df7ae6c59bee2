import { checkFunction, isHoldfastError } from '@holdfast/core'
import { isSafeName } from '../format/names.ts'
import { unreadable } from './directory.ts'
import { plainAttributes, type Source, type SourceFile } from './source.ts'

export interface StreamOptions {
  /** The file's name in the snapshot, such as `dump.sql`. */
  name: string
  /**
   * Begins the stream: of a database's dump, a command's output. Where it throws the
   * backup fails, so let a command that ends with an error throw at its end.
   */
  open: (signal: AbortSignal | undefined) => AsyncIterable<Uint8Array>
}

/** One file whose content comes from a stream, of any length, read once. */
export function stream({ name, open }: StreamOptions): Source {
  if (!isSafeName(name)) throw new RangeError(`name must be a file name, got ${JSON.stringify(name)}`)
  checkFunction('open', open)
  return {
    kind: 'stream',
    description: `the stream ${name}`,
    async open({ clock, signal }) {
      const timeMs = clock.wall()
      // The length is known at the end only; a large one has the reader use its large buffer.
      const attributes = { ...plainAttributes(timeMs, 0o600), size: Number.MAX_SAFE_INTEGER }
      const file = {
        type: 'file' as const,
        name,
        attributes,
        open: async () => reading(name, attributes, open(signal)),
      }
      return {
        root: { attributes: plainAttributes(timeMs, 0o700), entries: async () => [file] },
        indivisible: true,
        close: async () => {},
      }
    },
  }
}

function reading(
  name: string,
  attributes: SourceFile['attributes'],
  source: AsyncIterable<Uint8Array>,
): SourceFile {
  const parts = source[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array()
  return {
    attributes,
    async read(into) {
      while (rest.length === 0) {
        const next = await parts.next().catch((cause: unknown) => {
          throw isHoldfastError(cause) ? cause : unreadable(`the stream ${name}`, cause)
        })
        if (next.done) return 0
        rest = next.value
      }
      const count = Math.min(rest.length, into.length)
      into.set(rest.subarray(0, count))
      rest = rest.subarray(count)
      return count
    },
    changed: async () => false,
    close: async () => void (await parts.return?.()),
  }
}
