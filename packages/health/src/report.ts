import type { CheckReport, Status } from './check.ts'
import type { CheckPlan } from './check-plan.ts'
import type { CheckState } from './check-state.ts'
import { oneLine, safeText } from './safe-text.ts'

/** What is told of a check whose runs alone say `own`, and which these others block. */
export function reportCheck(
  plan: CheckPlan,
  state: CheckState,
  {
    own,
    blockedBy,
    now,
    sinceMs,
  }: {
    own: Status
    blockedBy: readonly string[]
    now: number
    sinceMs: (name: string, status: Status) => number
  },
): CheckReport {
  const { name, gates, soft } = plan
  const { hasPassed, failures, durationMs, observation, error, answeredAt } = state
  const status = blockedBy.length > 0 ? 'unknown' : soft && own === 'fail' ? 'warn' : own
  return {
    name,
    status,
    sinceMs: sinceMs(name, status),
    gates,
    soft,
    hasPassed,
    blockedBy,
    output: failures > 0 ? safeText(error) : observed(observation.output),
    error,
    value: observation.value,
    unit: observation.unit,
    failures,
    ageMs: answeredAt === undefined ? undefined : now - answeredAt,
    durationMs,
  }
}

function observed(output: string | undefined): string | undefined {
  return output === undefined ? undefined : oneLine(output)
}
