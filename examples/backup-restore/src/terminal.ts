import type { Progress } from '@holdfast/snapshot'

const width = 24

/** One line that says how far an operation is: a bar where the end is known, the rate, and the time left. */
export function progressLine(what: string, progress: Progress): string {
  const { bytes, totalBytes, files, bytesPerSecond, msLeft, phase } = progress
  const share = totalBytes ? Math.min(1, bytes / totalBytes) : phase === 'commit' ? 1 : 0
  const bar = '█'.repeat(Math.round(share * width)).padEnd(width, '░')
  const left = msLeft === undefined ? '' : `, ${(msLeft / 1_000).toFixed(1)} s left`
  return `${what.padEnd(9)}${bar} ${megabytes(bytes)} in ${files} files at ${megabytes(bytesPerSecond)}/s${left}`
}

export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(0)} kB` : `${(bytes / 1e6).toFixed(1)} MB`
}

/** Shows a progress in place on a terminal; elsewhere only what `say` prints is seen. */
export function createScreen(out: NodeJS.WriteStream = process.stdout) {
  let kept = false
  return {
    progress: (what: string, keep?: 'keep') => (progress: Progress) => {
      if (!out.isTTY) return
      out.write(`\r\x1b[2K${progressLine(what, progress)}`)
      kept = keep === 'keep'
    },
    /** Takes the place of a bar, or comes below one that is kept. */
    say: (line: string) => {
      if (out.isTTY) out.write(kept ? '\n' : '\r\x1b[2K')
      kept = false
      out.write(`${line}\n`)
    },
  }
}
