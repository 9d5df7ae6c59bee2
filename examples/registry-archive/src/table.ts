import type { Progress } from '@holdfast/snapshot'
import type { Row } from './story.ts'

/** The story's end, a line for each snapshot. */
export function tableOf(rows: readonly Row[]): string[] {
  const cells = rows.map(({ tag, digest, bytes, sentBytes, restored, intact }) => [
    tag,
    digest.slice(0, 19),
    megabytes(bytes),
    megabytes(sentBytes),
    intact ? 'identical' : `NOT THE SAME (${restored.slice(0, 20)})`,
  ])
  const all = [['tag', 'digest', 'state', 'sent', 'restored'], ...cells]
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)))
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}

/** How far an operation is, in one line. */
export function progressLine(what: string, { bytes, totalBytes, bytesPerSecond, msLeft }: Progress): string {
  const share = totalBytes ? Math.min(1, bytes / totalBytes) : 0
  const bar = '#'.repeat(Math.round(share * 30)).padEnd(30, '.')
  const left = msLeft === undefined ? '' : `, ${(msLeft / 1_000).toFixed(1)} s left`
  return `${what.padEnd(8)}[${bar}] ${megabytes(bytes)} at ${megabytes(bytesPerSecond)}/s${left}`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}
