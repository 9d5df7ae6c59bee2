import { defineErrors, type ErrorFactory } from '@holdfast/core'
import type { Phase } from './types.ts'

export type RecoveryErrorCode =
  | 'RECOVERY_STEP_MISSING'
  | 'RECOVERY_ALREADY_RUNNING'
  | 'RECOVERY_CLOSED'
  | 'RECOVERY_INCOMPLETE'
  | 'STEP_TIMED_OUT'
  | 'STEP_UNHEALTHY'
  | 'STEP_UNSETTLED'
  | 'DRILL_NOT_ISOLATED'
  | 'JOURNAL_ENDED'
  | 'JOURNAL_OF_ANOTHER'
  | 'JOURNAL_LOCKED'
  | 'JOURNAL_CORRUPT'
  | 'JOURNAL_FORMAT'
  | 'JOURNAL_FAILED'
  | 'JOURNAL_CLOSED'

export const recoveryError: ErrorFactory<RecoveryErrorCode> = defineErrors<RecoveryErrorCode>({
  RECOVERY_STEP_MISSING: 'permanent',
  RECOVERY_ALREADY_RUNNING: 'permanent',
  RECOVERY_CLOSED: 'retryable',
  RECOVERY_INCOMPLETE: 'retryable',
  STEP_TIMED_OUT: 'retryable',
  STEP_UNHEALTHY: 'retryable',
  STEP_UNSETTLED: 'permanent',
  DRILL_NOT_ISOLATED: 'permanent',
  JOURNAL_ENDED: 'permanent',
  JOURNAL_OF_ANOTHER: 'permanent',
  JOURNAL_LOCKED: 'retryable',
  JOURNAL_CORRUPT: 'permanent',
  JOURNAL_FORMAT: 'permanent',
  JOURNAL_FAILED: 'retryable',
  JOURNAL_CLOSED: 'permanent',
})

export function timedOut(step: string, phase: Phase, timeoutMs: number): Error {
  return recoveryError(
    'STEP_TIMED_OUT',
    `Step '${step}' was not done with '${phase}' within ${timeoutMs} ms; raise its limit or look at what it waits for`,
    { fields: { step, phase, timeoutMs } },
  )
}
