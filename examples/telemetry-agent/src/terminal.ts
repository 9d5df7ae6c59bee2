import type { WriteStream } from 'node:tty'

/** Tells a run as it happens: lines that stay, and below them, on a terminal, one line that lives. */
export interface Narrator {
  /** A step begins; the function ends it with what came of it. */
  step(title: string): (outcome: string) => void
  /** Something that happened by itself. */
  note(text: string): void
  /** The live line; nothing where the output is not a terminal. */
  live(text: string): void
  close(): void
}

const erase = '\r\u001b[2K'
const dim = (text: string): string => `\u001b[2m${text}\u001b[22m`
const green = (text: string): string => `\u001b[32m${text}\u001b[39m`

export function createNarrator(
  out: Pick<WriteStream, 'write' | 'isTTY' | 'columns'>,
  now: () => number,
): Narrator {
  const tty = out.isTTY === true
  const began = now()
  let current = ''
  return { step, note, live, close: () => tty && show('') }

  function step(title: string): (outcome: string) => void {
    const start = now()
    if (tty) show(`… ${title}`)
    return (outcome) => {
      const seconds = `${((now() - start) / 1_000).toFixed(1)} s`
      line(
        tty
          ? `${green('✓')} ${title.padEnd(34)} ${outcome} ${dim(seconds)}`
          : `${title}: ${outcome} (${seconds})`,
      )
    }
  }

  function note(text: string): void {
    line(tty ? dim(`  ${text}`) : `  ${text}`)
  }

  function live(text: string): void {
    if (tty) show(dim(`${((now() - began) / 1_000).toFixed(1).padStart(5)} s  ${text}`))
  }

  function line(text: string): void {
    out.write(tty ? `${erase}${text}\n${current}` : `${text}\n`)
  }

  function show(text: string): void {
    current = text.slice(0, Math.max(20, (out.columns || 80) + 8))
    out.write(`${erase}${current}`)
  }
}

/** A table with its columns aligned: names to the left, figures to the right. */
export function table(rows: readonly (readonly [string, string])[]): string {
  const left = Math.max(...rows.map(([name]) => name.length))
  const right = Math.max(...rows.map(([, figure]) => figure.length))
  return rows.map(([name, figure]) => `  ${name.padEnd(left)}   ${figure.padStart(right)}`).join('\n')
}
