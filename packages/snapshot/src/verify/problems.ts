import { isHoldfastError } from '@holdfast/core'
import { type SnapshotErrorCode, snapshotError } from '../errors.ts'

/** One thing that is wrong. */
export interface Problem {
  readonly code: string
  readonly message: string
  /** Where it is known. */
  readonly path?: string
  readonly digest?: string
}

/** What a verification has found wrong so far. */
export interface Problems {
  readonly found: readonly Problem[]
  /** Takes note of a damage and resolves to undefined; every other failure, such as of the store, ends the verification. */
  attempt<T>(operation: () => Promise<T>): Promise<T | undefined>
}

const listedProblems = 1_000

export function createProblems(signal: AbortSignal | undefined): Problems {
  const found: Problem[] = []
  return {
    found,
    async attempt(operation) {
      try {
        return await operation()
      } catch (error) {
        signal?.throwIfAborted()
        if (!isProblem(error)) throw error
        if (found.length < listedProblems) found.push(problemOf(error))
        return undefined
      }
    },
  }
}

export function damaged(hex: string, problems: readonly Problem[]): Error {
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''
  return snapshotError('SNAPSHOT_DAMAGED', `sha256:${hex} is damaged: ${problems[0]!.message}${more}`, {
    fields: { digest: `sha256:${hex}`, problems },
  })
}

function isProblem(error: unknown): boolean {
  const codes: SnapshotErrorCode[] = [
    'OBJECT_MISSING',
    'OBJECT_CORRUPT',
    'SNAPSHOT_REFUSED',
    'SNAPSHOT_DAMAGED',
  ]
  return codes.some((code) => isHoldfastError(error, code))
}

function problemOf(error: unknown): Problem {
  if (!isHoldfastError(error)) return { code: 'UNKNOWN', message: String(error) }
  const { path, digest } = error.fields as { path?: string; digest?: string }
  return {
    code: error.code,
    message: error.message,
    ...(path !== undefined && { path }),
    ...(digest !== undefined && { digest }),
  }
}
