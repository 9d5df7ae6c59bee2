import type { CheckReport, Gate, Probe, Status } from './check.ts'

/** A probe but for its history. */
export type Judgement = Omit<Probe, 'sinceMs'>

/**
 * Judges a gate by its checks and by what holds it closed.
 *
 * A soft check never makes it worse than `warn`. A blocked check leaves it
 * `unknown`: the failure is counted where it happened. For `startup` it is
 * enough that a check has ever passed.
 */
export function judgeGate(gate: Gate, checks: readonly CheckReport[], holds: readonly string[]): Judgement {
  const status = holds.length > 0 ? 'fail' : worst(checks.map(weigh))
  const ok = gate === 'live' ? status !== 'fail' : status === 'pass' || status === 'warn'
  return { gate, ok, status, why: ok ? [] : [...holds, ...checks.filter(isAtFault).map(reason)], checks }

  function weigh({ soft, status, hasPassed }: CheckReport): Status {
    if (gate === 'startup' && hasPassed) return 'pass'
    return soft && status !== 'pass' ? 'warn' : status
  }

  function isAtFault(check: CheckReport): boolean {
    const weight = weigh(check)
    return weight === 'fail' || weight === 'unknown'
  }
}

/** From the worst; an empty gate passes. */
const order: readonly Status[] = ['fail', 'unknown', 'warn']

function worst(statuses: readonly Status[]): Status {
  return order.find((status) => statuses.includes(status)) ?? 'pass'
}

function reason({ name, status, blockedBy, output }: CheckReport): string {
  if (blockedBy.length > 0) return `${name} is blocked by ${blockedBy.join(', ')}`
  return `${name} is ${status}${output === undefined ? '' : `: ${output}`}`
}
