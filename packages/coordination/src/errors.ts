import { defineErrors, type ErrorFactory } from '@holdfast/core'

export type CoordinationErrorCode =
  | 'STORE_UNAVAILABLE'
  | 'STORE_CLOSED'
  | 'STORE_DENIED'
  | 'STORE_REFUSED'
  | 'WATCH_COMPACTED'
  | 'LEASE_NOT_FOUND'
  | 'VIEW_CLOSED'

/** The errors of every coordination store, whichever adapter stands behind it. */
export const coordinationError: ErrorFactory<CoordinationErrorCode> = defineErrors<CoordinationErrorCode>({
  STORE_UNAVAILABLE: 'retryable',
  STORE_CLOSED: 'permanent',
  STORE_DENIED: 'permanent',
  STORE_REFUSED: 'permanent',
  WATCH_COMPACTED: 'permanent',
  LEASE_NOT_FOUND: 'permanent',
  VIEW_CLOSED: 'permanent',
})
