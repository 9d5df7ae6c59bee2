import { appendFile, copyFile, rename, truncate } from 'node:fs/promises'

/** Something on the host that writes a log, come what may. */
export interface Application {
  /** Lines written so far; each carries its number. */
  readonly lines: number
  /** So many lines at once. */
  burst(lines: number): Promise<void>
  /** One line that is longer than any collector should take. */
  blunder(characters: number): Promise<void>
  /** As logrotate does: renames the file; lines go to the renamed one until the application has reopened its log. */
  rotate(): Promise<void>
  /** As logrotate's `copytruncate` does, for an application that cannot reopen its log. Writes nothing until then. */
  copyAndTruncate(whenRead: () => Promise<void>): Promise<void>
  close(): Promise<void>
}

/** Appends a few lines to a log file every 20 ms until closed. */
export function startApplication(logFile: string): Application {
  let lines = 0
  let closed = false
  /** One thing at a time, in order. */
  let last: Promise<void> = Promise.resolve()
  const stopped = write()
  return {
    get lines() {
      return lines
    },
    burst: (count) => inTurn(() => append(count)),
    blunder: (characters) => inTurn(() => append(1, logFile, 'x'.repeat(characters))),
    rotate: () => inTurn(rotate),
    copyAndTruncate: (whenRead) => inTurn(() => copyAndTruncate(whenRead)),
    close: () => {
      closed = true
      return stopped
    },
  }

  async function write(): Promise<void> {
    while (!closed) {
      await inTurn(() => append(10))
      await pause(20)
    }
  }

  function inTurn(work: () => Promise<void>): Promise<void> {
    last = last.then(work)
    return last
  }

  async function append(count: number, to = logFile, more = ''): Promise<void> {
    const batch = Array.from({ length: count }, (_, at) => logLine(lines + at + 1, more))
    await appendFile(to, batch.join(''))
    lines += count
  }

  async function rotate(): Promise<void> {
    for (const number of [2, 1])
      await rename(`${logFile}.${number}`, `${logFile}.${number + 1}`).catch(ignore)
    await rename(logFile, `${logFile}.1`)
    await append(5, `${logFile}.1`)
    await append(5)
  }

  async function copyAndTruncate(whenRead: () => Promise<void>): Promise<void> {
    await whenRead()
    await copyFile(logFile, `${logFile}.copy`)
    await truncate(logFile)
  }
}

/** Not there yet, after a rotation or two. */
function ignore(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function logLine(number: number, more: string): string {
  const what = `GET /reef/${number % 97} 200 ${(number * 7) % 53}ms`
  return `${new Date().toISOString()} INFO request ${number} ${what}${more}\n`
}

/** The number that a line carries. */
export function numberOf(text: string): number {
  return Number(/ request (\d+) /.exec(text)?.[1])
}
