import type { WriteStream } from 'node:tty'
import type { Progress } from './progress.ts'
import type { UploadState } from './uploads.ts'

/** Tells a run as it happens: lines that stay, and below them the progress. */
export interface Display {
  say(text: string): void
  /** On a terminal a line that lives; elsewhere a plain line, every two seconds at most. */
  live(text: string): void
  close(): void
}

const erase = '\r\u001b[2K'
const plainEveryMs = 2_000

export function createDisplay(
  out: Pick<WriteStream, 'write' | 'isTTY' | 'columns'>,
  now: () => number,
): Display {
  const tty = out.isTTY === true
  let current = ''
  let toldAt = now()
  return { say, live, close: () => void (tty && show('')) }

  function say(text: string): void {
    out.write(tty ? `${erase}${text}\n${current}` : `${text}\n`)
    toldAt = now()
  }

  function live(text: string): void {
    if (tty) show(text.slice(0, (out.columns || 80) - 1))
    else if (now() - toldAt >= plainEveryMs) say(`    ${text}`)
  }

  function show(text: string): void {
    current = text
    out.write(`${erase}${current}`)
  }
}

const width = 20

export function progressLine({ shipped, waiting, circuitOpen, upload }: Progress): string {
  const lines = `${count(shipped)} lines shipped, ${count(waiting)} waiting`
  const paused = circuitOpen ? ', collector down' : ''
  return `${lines}${paused}${upload && upload.offset < upload.size ? `  ${uploadBar(upload)}` : ''}`
}

function uploadBar({ offset, size }: UploadState): string {
  return `${bar(offset / size)} ${megabytes(offset)} of ${megabytes(size)}`
}

function bar(share: number): string {
  return '█'.repeat(Math.round(share * width)).padEnd(width, '░')
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

export function count(number: number): string {
  return number.toLocaleString('en')
}

/** A table with its columns aligned: names to the left, figures to the right. */
export function table(rows: readonly (readonly [string, string])[]): string {
  const left = Math.max(...rows.map(([name]) => name.length))
  const right = Math.max(...rows.map(([, figure]) => figure.length))
  return rows.map(([name, figure]) => `  ${name.padEnd(left)}   ${figure.padStart(right)}`).join('\n')
}
