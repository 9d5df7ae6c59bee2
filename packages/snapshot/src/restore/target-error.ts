import { isHoldfastError } from '@holdfast/core'
import { atPath, snapshotError, systemCode } from '../errors.ts'
import { bytesOfName } from '../format/names.ts'

/** TARGET_FAILED for an error of the system; any other as it is. */
export function targetError(path: string, cause: unknown): unknown {
  if (systemCode(cause) === undefined || isHoldfastError(cause)) return cause
  const reason = systemCode(cause) === 'ENOSPC' ? 'the disk is full' : (cause as Error).message
  return snapshotError('TARGET_FAILED', `could not restore ${bytesOfName(path).toString()}: ${reason}`, {
    cause,
    fields: { path },
  })
}

/** Tells with the path what goes wrong in the operation. */
export async function named<T>(path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw isHoldfastError(error) ? atPath(error, path) : targetError(path, error)
  }
}
