import type { ChunkLocation } from './chunk-index.ts'

/** Chunks that lie near one another in one pack, to be read from it at once, in the order in which they lie there. */
export interface Run<U> {
  /** Undefined for what needs no chunk, such as an empty file. */
  readonly pack: string | undefined
  /** Of the part of the pack that holds them all, in bytes. */
  readonly offset: number
  readonly length: number
  readonly chunks: readonly WantedChunk<U>[]
}

export interface WantedChunk<U> {
  readonly at: ChunkLocation | undefined
  /** What it is wanted for, as the one who plans says it; a chunk that is wanted often is opened once. */
  readonly uses: readonly U[]
}

/** Gathers what is wanted of chunks, in any order, and puts it in the order of the packs. */
export interface RunPlan<U> {
  /** How many uses wait. */
  readonly size: number
  want(at: ChunkLocation | undefined, use: U): void
  /** All that was wanted since the last time. */
  take(): Run<U>[]
}

/** Reading a little that nobody wants costs less than one more request. In bytes. */
const largestGap = 64 << 10
/** What one run holds, at most, unless one chunk is more: its stored bytes, its content's, and its uses. */
const runLimits = { stored: 2 << 20, content: 6 << 20, uses: 500 }

export function createRunPlan<U>(): RunPlan<U> {
  let chunks = new Map<string, { at: ChunkLocation; uses: U[] }>()
  let chunkless: U[] = []
  let size = 0
  return {
    get size() {
      return size
    },
    want(at, use) {
      size += 1
      if (!at) return void chunkless.push(use)
      const known = chunks.get(at.id)
      if (known) known.uses.push(use)
      else chunks.set(at.id, { at, uses: [use] })
    },
    take() {
      const runs: Run<U>[] = [...withoutChunk(chunkless), ...runsOf([...chunks.values()])]
      chunks = new Map()
      chunkless = []
      size = 0
      return runs
    },
  }
}

function* withoutChunk<U>(uses: readonly U[]): Generator<Run<U>> {
  for (let from = 0; from < uses.length; from += runLimits.uses) {
    const chunk = { at: undefined, uses: uses.slice(from, from + runLimits.uses) }
    yield { pack: undefined, offset: 0, length: 0, chunks: [chunk] }
  }
}

/** Packs in the order in which they were first wanted, each from its beginning to its end. */
function* runsOf<U>(chunks: { at: ChunkLocation; uses: U[] }[]): Generator<Run<U>> {
  const order = new Map<string, number>()
  for (const { at } of chunks) if (!order.has(at.pack)) order.set(at.pack, order.size)
  chunks.sort((a, b) => order.get(a.at.pack)! - order.get(b.at.pack)! || a.at.offset - b.at.offset)
  let first = 0
  let content = 0
  let uses = 0
  for (const [next, chunk] of chunks.entries()) {
    if (next > first && !fits(chunks[first]!.at, chunks[next - 1]!.at, chunk.at, content, uses)) {
      yield runOf(chunks.slice(first, next))
      first = next
      content = 0
      uses = 0
    }
    content += chunk.at.length
    uses += chunk.uses.length
  }
  if (chunks.length > first) yield runOf(chunks.slice(first))
}

function fits(
  first: ChunkLocation,
  last: ChunkLocation,
  next: ChunkLocation,
  content: number,
  uses: number,
): boolean {
  return (
    next.pack === first.pack &&
    next.offset - endOf(last) <= largestGap &&
    endOf(next) - first.offset <= runLimits.stored &&
    content + next.length <= runLimits.content &&
    uses < runLimits.uses
  )
}

function runOf<U>(chunks: readonly { at: ChunkLocation; uses: U[] }[]): Run<U> {
  const { pack, offset } = chunks[0]!.at
  return { pack, offset, length: endOf(chunks.at(-1)!.at) - offset, chunks }
}

function endOf({ offset, storedLength }: ChunkLocation): number {
  return offset + storedLength
}
