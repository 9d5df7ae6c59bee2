import { mkdir, open, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Clock, type Running, systemClock } from '@holdfast/core'

export interface LogTailOptions {
  /** The file to follow; lines are what ends with a newline. It need not exist yet. */
  path: string
  /** Where the position is kept, so that a restart goes on where this process stopped. */
  positionFile: string
  /** Asked before each look at the file: while it says so, nothing is read. */
  paused?: () => boolean
  /** Takes a line for good before it resolves. The key is the same for the same line after any restart. */
  accept(line: string, key: string): Promise<unknown>
  /** @default 100 */
  pollMs?: number
  clock?: Clock
}

interface Position {
  inode: number
  /** How often the file was cut: the same offset is another line then. */
  cuts: number
  offset: number
}

/**
 * Hands every line of a growing file on, at least once, in order.
 *
 * The position moves on only after `accept` has resolved for all lines before it. A crash
 * between the two repeats those lines under the same keys, so a queue that
 * deduplicates by key takes each of them once. A file that was replaced or cut
 * is read from its start; what was written to the old one since the last look is
 * not (the tail in `log-shipper` follows rotations). A line longer than 1 MiB is handed on in pieces of that length.
 */
export async function startLogTail(options: LogTailOptions): Promise<Running> {
  const { path, positionFile, accept, paused = () => false, pollMs = 100, clock = systemClock } = options
  const stop = new AbortController()
  await mkdir(dirname(positionFile), { recursive: true })
  let position = await readPosition(positionFile)
  const exited = follow()
  return { exited, close, [Symbol.asyncDispose]: close }

  async function follow(): Promise<void> {
    while (!stop.signal.aborted) {
      if (!paused()) await readOn()
      await clock.sleep(pollMs, stop.signal)
    }
  }

  async function readOn(): Promise<void> {
    const file = await stat(path).catch(ifMissing)
    if (!file) return
    if (file.ino !== position.inode) position = { inode: file.ino, cuts: 0, offset: 0 }
    if (file.size < position.offset) position = { ...position, cuts: position.cuts + 1, offset: 0 }
    if (file.size === position.offset) return
    const { lines, length } = await readLines(path, position.offset, file.size)
    const { inode, cuts, offset } = position
    const name = cuts === 0 ? inode : `${inode}.${cuts}`
    await Promise.all(lines.map(({ text, at }) => accept(text, `${name}:${offset + at}`)))
    position = { inode, cuts, offset: offset + length }
    await writePosition(positionFile, position)
  }

  async function close(): Promise<void> {
    stop.abort()
    await exited
  }
}

/** The whole lines between two offsets, each with where it begins, and how many bytes they take. */
async function readLines(
  path: string,
  from: number,
  to: number,
): Promise<{ lines: { text: string; at: number }[]; length: number }> {
  const most = 1 << 20
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(to - from, most)), 0, undefined, from)
    const lines: { text: string; at: number }[] = []
    let start = 0
    for (let end = buffer.indexOf(10, start); end >= 0 && end < bytesRead; end = buffer.indexOf(10, start)) {
      lines.push({ text: buffer.toString('utf8', start, end), at: start })
      start = end + 1
    }
    if (start === 0 && bytesRead === most)
      return { lines: [{ text: buffer.toString('utf8'), at: 0 }], length: most }
    return { lines, length: start }
  } finally {
    await file.close()
  }
}

async function readPosition(file: string): Promise<Position> {
  const text = await readFile(file, 'utf8').catch(ifMissing)
  return text === undefined ? { inode: 0, cuts: 0, offset: 0 } : JSON.parse(text)
}

/** Not synced: a position that a power cut sets back repeats lines that the queue knows by their keys. */
async function writePosition(file: string, position: Position): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(position))
  await rename(`${file}.new`, file)
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
