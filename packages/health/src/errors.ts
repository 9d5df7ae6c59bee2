import { defineErrors, type ErrorFactory } from '@holdfast/core'

/** The codes of this package; `docs/errors.md` says what to do about each. */
export type HealthErrorCode =
  | 'CHECK_FAILED'
  | 'CHECK_TIMEOUT'
  | 'BEAT_TIMEOUT'
  | 'BEAT_REFUSED'
  | 'HEALTH_CLOSED'
  | 'HEALTH_PORT_IN_USE'
  | 'HEALTH_LISTEN_FAILED'
  | 'NOTIFY_FAILED'

export const healthError: ErrorFactory<HealthErrorCode> = defineErrors<HealthErrorCode>({
  CHECK_FAILED: 'retryable',
  CHECK_TIMEOUT: 'retryable',
  BEAT_TIMEOUT: 'retryable',
  BEAT_REFUSED: 'retryable',
  HEALTH_CLOSED: 'permanent',
  HEALTH_PORT_IN_USE: 'retryable',
  HEALTH_LISTEN_FAILED: 'permanent',
  NOTIFY_FAILED: 'retryable',
})
