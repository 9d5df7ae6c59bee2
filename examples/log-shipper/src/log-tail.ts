import { type FileHandle, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Clock, type Running, systemClock } from '@holdfast/core'
import { identityOf, type LogFile, listLogFiles, unlessMissing } from './log-files.ts'

export interface LogTailOptions {
  /** The file to follow; `PATH.1`, `PATH.2` … are what it was before. It need not exist yet. */
  path: string
  /** Where the position is kept, so that a restart goes on where this process stopped. */
  positionFile: string
  /** Takes a line for good before it resolves. The key is the same for the same line after any restart; the signal ends the waiting at a stop. */
  accept(line: string, key: string, signal: AbortSignal): Promise<unknown>
  /** @default 100 */
  pollMs?: number
  /** How long a rotated file is still read: who writes it may not have noticed. @default 1_000 */
  rotatedMs?: number
  clock?: Clock
}

/** How far the lines were accepted. */
interface Position {
  /** Which file, whatever its name. */
  file: string
  /** How often it was cut: the same offset is another line then. */
  cuts: number
  offset: number
}

/** A line longer than this is handed on in pieces of this length, in bytes. */
const mostBytes = 1 << 20

/**
 * Hands every line of a growing file on, at least once, in order, over rotation and restarts.
 *
 * The position moves on only after `accept` has resolved for all lines before it. A crash
 * between the two repeats those lines under the same keys, so a queue that deduplicates by
 * key takes each of them once. A rotated file is read to its end before its successor, also
 * when that happened while nobody looked, as long as it is neither compressed nor deleted.
 * The first start begins with the file as it is, not with what it was rotated to before. A
 * file that was cut to nothing and written anew (`copytruncate`) is read from its start; what
 * was written since the last look is lost with the cut, and a cut is not seen where the file
 * has outgrown its old length since. Prefer to rotate by renaming.
 */
export async function startLogTail(options: LogTailOptions): Promise<Running> {
  const { path, positionFile, accept, pollMs = 100, rotatedMs = 1_000, clock = systemClock } = options
  const stop = new AbortController()
  await mkdir(dirname(positionFile), { recursive: true })
  let position = await readPosition(positionFile)
  let file: FileHandle | undefined
  /** Whether all that is there has come since we began. */
  let isAllNew = position !== undefined
  let rotatedAt: number | undefined
  const exited = follow().finally(() => file?.close())
  return { exited, close, [Symbol.asyncDispose]: close }

  async function follow(): Promise<void> {
    try {
      while (!stop.signal.aborted) if (!(await readOn())) await clock.sleep(pollMs, stop.signal)
    } catch (error) {
      if (!stop.signal.aborted) throw error
    }
  }

  /** Whether there may be more at once. */
  async function readOn(): Promise<boolean> {
    file ??= await openFile()
    return file !== undefined && ((await handOn(file, 'lines')) || (await goOnToSuccessor(file)))
  }

  /** The file that the position is in, else the oldest that came after it. */
  async function openFile(): Promise<FileHandle | undefined> {
    const files = await listLogFiles(path)
    if (files.length === 0) isAllNew = true
    const found = files.find(({ id }) => id === position?.file) ?? (isAllNew ? files[0] : files.at(-1))
    return found && (await openAs(found))
  }

  /** It may have been renamed just now, and another stand in its place: the position is in what was opened. */
  async function openAs(found: LogFile): Promise<FileHandle | undefined> {
    const opened = await open(found.path).catch(unlessMissing)
    if (!opened) return undefined
    const id = identityOf(await opened.stat({ bigint: true }))
    if (position?.file !== id) position = { file: id, cuts: 0, offset: 0 }
    isAllNew = true
    return opened
  }

  /** Hands the next lines on, with `'all'` also a last one that has no end; whether there were any. */
  async function handOn(from: FileHandle, what: 'lines' | 'all'): Promise<boolean> {
    if (!position) return false
    const { size } = await from.stat()
    if (size < position.offset) position = { ...position, cuts: position.cuts + 1, offset: 0 }
    const { file: id, cuts, offset } = position
    const { lines, length } = await readLines(from, offset, Math.min(size - offset, mostBytes), what)
    if (length === 0) return false
    stop.signal.throwIfAborted() // closed while we read: nobody waits for these any more
    await Promise.all(lines.map(({ text, at }) => accept(text, `${id}.${cuts}:${offset + at}`, stop.signal)))
    position = { file: id, cuts, offset: offset + length }
    await writePosition(positionFile, position)
    return true
  }

  /** The last file but one may still be written to for a while: who writes it is told of the rotation later. */
  async function goOnToSuccessor(old: FileHandle): Promise<boolean> {
    const files = await listLogFiles(path)
    const at = files.findIndex(({ id }) => id === position?.file)
    const successor = files[at + 1]
    if (!successor) return false
    rotatedAt ??= clock.now()
    if (at + 1 === files.length - 1 && clock.now() - rotatedAt < rotatedMs) return false
    rotatedAt = undefined
    while (await handOn(old, 'all'));
    await old.close()
    file = undefined
    file = await openAs(successor)
    return true
  }

  async function close(): Promise<void> {
    stop.abort()
    await exited
  }
}

/** The lines of so many bytes, each with where it begins, and how many of the bytes they take. */
async function readLines(file: FileHandle, from: number, most: number, what: 'lines' | 'all') {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(most), 0, most, from)
  const bytes = buffer.subarray(0, bytesRead)
  const lines: { text: string; at: number }[] = []
  let start = 0
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    lines.push({ text: bytes.toString('utf8', start, end), at: start })
    start = end + 1
  }
  const isPiece = start === 0 && (bytesRead === mostBytes || what === 'all') && bytesRead > 0
  return isPiece
    ? { lines: [{ text: bytes.toString('utf8'), at: 0 }], length: bytesRead }
    : { lines, length: start }
}

async function readPosition(file: string): Promise<Position | undefined> {
  const text = await readFile(file, 'utf8').catch(unlessMissing)
  return text === undefined ? undefined : (JSON.parse(text) as Position)
}

/** Not synced: a position that a power cut sets back repeats lines that the queue knows by their keys. */
async function writePosition(file: string, position: Position): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(position))
  await rename(`${file}.new`, file)
}
