import { arch, cpus, platform, totalmem } from 'node:os'
import type { Figure, Spread } from './run.ts'

export function describeMachine(): string {
  const cpu = cpus()[0]?.model.trim() || 'unknown processor'
  return `${cpus().length} × ${cpu}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${arch()}, Node ${process.version}`
}

export function heading(name: string, machine: string, quick: boolean): string {
  const columns = ['', 'ours (min–max)', 'peer (min–max)', 'ratio (min–max)', 'target', '']
  return `\n${name}${quick ? ', quick: rough figures' : ''}\n${machine}\n\n${line(columns)}`
}

export function figureLine(figure: Figure): string {
  return line(cells(figure))
}

/** The same figures as a table for the documentation. */
export function markdownTable(name: string, machine: string, figures: readonly Figure[]): string {
  const rows = figures.map((figure) => `| ${cells(figure).join(' | ')} |`)
  const day = new Date().toISOString().slice(0, 10)
  const head =
    '| figure | ours (min–max) | beside (min–max) | ratio (min–max) | target | |\n|---|---|---|---|---|---|'
  return `## ${name}\n\n${day}, ${machine}\n\n${head}\n${rows.join('\n')}\n`
}

function cells({ row, ours, peer, ratio, met, skipped }: Figure): string[] {
  const target = `${row.target.of === 'ratio' ? 'ratio ' : ''}${row.target.is === '>=' ? '≥' : '≤'} ${number(row.target.value)}`
  const verdict = met === null ? `skipped: ${skipped}` : met ? 'met' : 'missed'
  const beside = peer && row.peer ? `${row.peer.name}: ${range(peer)}` : '–'
  return [
    `${row.title} [${row.unit}]`,
    ours ? range(ours) : '–',
    beside,
    ratio ? range(ratio) : '–',
    target,
    verdict,
  ]
}

function line(columns: readonly string[]): string {
  const widths = [58, 26, 40, 20, 12, 0]
  return columns
    .map((column, at) => column.padEnd(widths[at] ?? 0))
    .join('  ')
    .trimEnd()
}

function range({ median, min, max }: Spread): string {
  return `${number(median)} (${number(min)}–${number(max)})`
}

function number(value: number): string {
  if (!Number.isFinite(value)) return '–'
  return Math.abs(value) >= 1_000
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)))
}
