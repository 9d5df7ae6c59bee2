import { defineErrors, type ErrorFactory } from '@holdfast/core'

export type QueueErrorCode =
  | 'QUEUE_CLOSED'
  | 'QUEUE_DRAINING'
  | 'QUEUE_FULL'
  | 'QUEUE_TOO_LARGE'
  | 'QUEUE_LOCKED'
  | 'QUEUE_MISSING'
  | 'QUEUE_UNREADABLE'
  | 'QUEUE_CORRUPT'
  | 'QUEUE_FORMAT'
  | 'QUEUE_WRITE_FAILED'
  | 'QUEUE_DISK_FULL'

/** The errors of this package; each code is explained in docs/errors.md. */
export const queueError: ErrorFactory<QueueErrorCode> = defineErrors({
  QUEUE_CLOSED: 'permanent',
  QUEUE_DRAINING: 'permanent',
  QUEUE_FULL: 'retryable',
  QUEUE_TOO_LARGE: 'permanent',
  QUEUE_LOCKED: 'retryable',
  QUEUE_MISSING: 'permanent',
  QUEUE_UNREADABLE: 'permanent',
  QUEUE_CORRUPT: 'permanent',
  QUEUE_FORMAT: 'permanent',
  QUEUE_WRITE_FAILED: 'retryable',
  QUEUE_DISK_FULL: 'retryable',
})
