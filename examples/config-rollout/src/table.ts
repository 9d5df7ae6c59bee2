import type { Report } from './agent.ts'

/** What a fleet runs, one line an agent, for a terminal. */
export function tableOf(reports: readonly Report[], names: ReadonlyMap<string, string>): string {
  const lines = reports.map(({ name, running, attempt, staged }) => [
    name,
    names.get(running) ?? running.slice(0, 8),
    attempt.state,
    staged?.state ?? '',
    shorten(staged?.why ?? attempt.why ?? ''),
  ])
  const rows = [['agent', 'runs', 'last tried', 'staged', 'why'], ...lines]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function shorten(text: string): string {
  return text.length > 90 ? `${text.slice(0, 89)}…` : text
}
