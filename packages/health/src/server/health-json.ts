import type { CheckReport, Probe, Status } from '../check.ts'

/**
 * The body of `/healthz`, after draft-inadarei-api-health-check-06: `status` is
 * `pass`, `warn` or `fail`, and what is unknown is no pass.
 */
export function healthJson(probes: readonly Probe[], reports: readonly CheckReport[] | undefined): string {
  const body = {
    status: overall(probes),
    gates: Object.fromEntries(
      probes.map(({ gate, ok, status, sinceMs }) => [gate, { ok, status, sinceMs: Math.round(sinceMs) }]),
    ),
    ...(reports && {
      checks: Object.fromEntries(reports.map((report) => [report.name, [checkJson(report)]])),
    }),
  }
  return `${JSON.stringify(body)}\n`
}

function overall(probes: readonly Probe[]): Exclude<Status, 'unknown'> {
  if (probes.some(({ ok }) => !ok)) return 'fail'
  return probes.some(({ status }) => status !== 'pass') ? 'warn' : 'pass'
}

function checkJson({
  status,
  sinceMs,
  output,
  value,
  unit,
  gates,
  soft,
  blockedBy,
  failures,
  ageMs,
  durationMs,
}: CheckReport): object {
  return {
    status: status === 'unknown' ? 'fail' : status,
    ...(status === 'unknown' && { unknown: true }),
    ...(output !== undefined && { output }),
    ...(value !== undefined && { observedValue: value }),
    ...(unit !== undefined && { observedUnit: unit }),
    ...(blockedBy.length > 0 && { blockedBy }),
    gates,
    soft,
    failures,
    sinceMs: Math.round(sinceMs),
    ...(ageMs !== undefined && { ageMs: Math.round(ageMs) }),
    ...(durationMs !== undefined && { durationMs: Math.round(durationMs) }),
  }
}
