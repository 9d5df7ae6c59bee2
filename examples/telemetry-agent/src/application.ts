import { appendFile } from 'node:fs/promises'

/** Something on the host that writes a log, come what may. */
export interface Application {
  /** Lines written so far. */
  readonly lines: number
  close(): Promise<void>
}

/** Appends a few lines to a log file every 20 ms until closed. */
export function startApplication(logFile: string, linesPerBatch = 10): Application {
  let lines = 0
  let closed = false
  const stopped = write()
  return {
    get lines() {
      return lines
    },
    close: () => {
      closed = true
      return stopped
    },
  }

  async function write(): Promise<void> {
    while (!closed) {
      const batch = Array.from({ length: linesPerBatch }, (_, at) => logLine(lines + at + 1))
      await appendFile(logFile, batch.join(''))
      lines += batch.length
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
}

function logLine(number: number): string {
  return `${new Date().toISOString()} INFO request ${number} GET /reef/${number % 97} 200 ${(number * 7) % 53}ms\n`
}
