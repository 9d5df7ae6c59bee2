import type { Report, ReportStep, ReportTier } from './report.ts'

/** A report as a text of two tables, one of the tiers and one of the steps, for a terminal or a ticket. */
export function formatReport(report: Report): string {
  const { run, mode, declaredAt, outcome = 'under way', resumed } = report
  const again = resumed === 0 ? '' : `, resumed ${resumed} ${resumed === 1 ? 'time' : 'times'}`
  return [
    `${mode} ${run}, declared ${new Date(declaredAt).toISOString()}${again}: ${outcome}`,
    '',
    ...alignColumns([['tier', 'RTO', 'forecast', 'measured', 'verdict'], ...report.tiers.map(tierCells)]),
    '',
    ...alignColumns([
      ['step', 'tier', 'verify', 'start', 'healthy', 'traffic', 'ready at', 'state'],
      ...report.steps.map(stepCells),
    ]),
  ].join('\n')
}

function tierCells({ tier, rtoMs, forecastMs, readyMs, verdict }: ReportTier): string[] {
  const spare = readyMs === undefined ? 0 : rtoMs - readyMs
  const margin =
    readyMs === undefined ? '' : `, ${formatMs(Math.abs(spare))} ${spare < 0 ? 'late' : 'to spare'}`
  return [String(tier), formatMs(rtoMs), formatMs(forecastMs), formatMs(readyMs), verdict + margin]
}

function stepCells(step: ReportStep): string[] {
  const times = [step.verifyMs, step.startMs, step.healthyMs, step.trafficMs, step.readyMs]
  return [step.step, String(step.tier), ...times.map(formatMs), stateOf(step)]
}

function stateOf({ state, error, because, found }: ReportStep): string {
  if (state === 'failed' && error)
    return `failed in ${error.phase}: ${error.code === undefined ? '' : `${error.code} `}${error.message}`
  if (state === 'skipped') return `skipped: ${because} is not there`
  return found ? `${state}, found started` : state
}

/** A time in two units at most, as a person reads it: `340 ms`, `12.5 s`, `3 min 20 s`, `2 h 5 min`. */
function formatMs(ms: number | undefined): string {
  if (ms === undefined) return '–'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  return seconds < 3_600
    ? twoUnits(seconds, 60, 'min', 's')
    : twoUnits(Math.round(seconds / 60), 60, 'h', 'min')
}

function twoUnits(small: number, perLarge: number, large: string, unit: string): string {
  const rest = small % perLarge
  return `${Math.floor(small / perLarge)} ${large}${rest === 0 ? '' : ` ${rest} ${unit}`}`
}

function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  )
}
