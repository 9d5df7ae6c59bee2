import type { Stats } from '@holdfast/core'
import type { Board } from './board.ts'
import type { Status } from './check.ts'

/** The figures of a board: how its checks stand, and how their runs have ended. */
export function healthStats(board: Pick<Board, 'reports' | 'totals'>): Stats {
  const { runs, failures, timeouts } = board.totals
  const reports = board.reports()
  const count = (status: Status): number => reports.filter((report) => report.status === status).length
  const gauge = (help: string, value: number): Stats[string] => ({ kind: 'gauge', help, value })
  const counter = (help: string, value: number): Stats[string] => ({ kind: 'counter', help, value })
  return {
    health_checks: gauge('Checks there are', reports.length),
    health_checks_failing: gauge('Checks that fail', count('fail')),
    health_checks_warning: gauge('Checks that warn', count('warn')),
    health_checks_unknown: gauge('Checks that are unknown: new, stale or blocked', count('unknown')),
    health_runs_total: counter('Runs of checks that ended', runs),
    health_run_failures_total: counter('Runs that failed, timeouts included', failures),
    health_run_timeouts_total: counter('Runs that gave no answer in time', timeouts),
  }
}
