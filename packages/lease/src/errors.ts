import { defineErrors, type ErrorFactory } from '@holdfast/core'

export type LeaseErrorCode =
  | 'SESSION_LOST'
  | 'SESSION_CLOSED'
  | 'GRANT_LATE'
  | 'CALL_TIMEOUT'
  | 'REGISTRATION_CONFLICT'
  | 'REGISTRATION_SUPERSEDED'
  | 'REGISTRATION_WITHDRAWN'
  | 'REGISTRATION_DAMAGED'
  | 'INCARNATION_DAMAGED'
  | 'DISCOVERY_CLOSED'
  | 'TERM_LOST'
  | 'TERM_RESIGNED'
  | 'LOCK_RELEASED'

/** The errors of sessions, registrations, discovery, elections and locks; those of the store pass through. */
export const leaseError: ErrorFactory<LeaseErrorCode> = defineErrors<LeaseErrorCode>({
  SESSION_LOST: 'retryable',
  SESSION_CLOSED: 'permanent',
  GRANT_LATE: 'retryable',
  CALL_TIMEOUT: 'retryable',
  REGISTRATION_CONFLICT: 'retryable',
  REGISTRATION_SUPERSEDED: 'permanent',
  REGISTRATION_WITHDRAWN: 'permanent',
  REGISTRATION_DAMAGED: 'permanent',
  INCARNATION_DAMAGED: 'permanent',
  DISCOVERY_CLOSED: 'permanent',
  TERM_LOST: 'retryable',
  TERM_RESIGNED: 'retryable',
  LOCK_RELEASED: 'permanent',
})
