import { defineErrors, type ErrorFactory, type HoldfastError, isHoldfastError } from '@holdfast/core'

export type SnapshotErrorCode =
  | 'REPOSITORY_NOT_FOUND'
  | 'REPOSITORY_UNSUPPORTED'
  | 'REPOSITORY_KEY'
  | 'REPOSITORY_CLOSED'
  | 'SNAPSHOT_NOT_FOUND'
  | 'SNAPSHOT_DAMAGED'
  | 'SNAPSHOT_REFUSED'
  | 'OBJECT_MISSING'
  | 'OBJECT_CORRUPT'
  | 'STORE_FAILED'
  | 'STORE_DENIED'
  | 'STORE_UNSUPPORTED'
  | 'SOURCE_UNREADABLE'
  | 'SOURCE_UNSTABLE'
  | 'BACKUP_OUTDATED'
  | 'TARGET_EXISTS'
  | 'TARGET_FAILED'

/** The errors of this package; docs/errors.md tells what to do about each. */
export const snapshotError: ErrorFactory<SnapshotErrorCode> = defineErrors({
  REPOSITORY_NOT_FOUND: 'permanent',
  REPOSITORY_UNSUPPORTED: 'permanent',
  REPOSITORY_KEY: 'permanent',
  REPOSITORY_CLOSED: 'permanent',
  SNAPSHOT_NOT_FOUND: 'permanent',
  SNAPSHOT_DAMAGED: 'permanent',
  SNAPSHOT_REFUSED: 'permanent',
  OBJECT_MISSING: 'permanent',
  OBJECT_CORRUPT: 'permanent',
  STORE_FAILED: 'retryable',
  STORE_DENIED: 'permanent',
  STORE_UNSUPPORTED: 'permanent',
  SOURCE_UNREADABLE: 'permanent',
  SOURCE_UNSTABLE: 'retryable',
  BACKUP_OUTDATED: 'retryable',
  TARGET_EXISTS: 'permanent',
  TARGET_FAILED: 'permanent',
})

/** The same error with a path in it, for one that was found below where paths are known. */
export function atPath(error: unknown, path: string): unknown {
  if (!isHoldfastError(error) || 'path' in error.fields) return error
  const { code, message, cause, fields, retryable } = error as HoldfastError<SnapshotErrorCode>
  return snapshotError(code, `${path}: ${message}`, { cause, retryable, fields: { ...fields, path } })
}

/** The code of a system error, such as ENOENT. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}
