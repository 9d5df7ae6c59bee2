import { type HoldfastError, isHoldfastError } from '@holdfast/core'
import type { Candidate } from './candidate.ts'
import { type ConfigErrorCode, configError } from './errors.ts'
import type { Settings } from './options.ts'
import type { Secrets } from './redact.ts'

/** Our own errors as they are; all others as `CONFIG_INVALID`, secrets redacted. */
export function asConfigError(error: unknown, secrets: Secrets): HoldfastError<ConfigErrorCode> {
  if (isHoldfastError<ConfigErrorCode>(error) && error.code in configError.codes) return error
  const problem = secrets.redactText(messageOf(error))
  return configError('CONFIG_INVALID', `the config could not be applied: ${problem}`, {
    cause: secrets.redactError(error),
  })
}

/** Why a config that ran does so no more. */
export function probationError(
  config: Candidate,
  problem: string,
  cause: unknown,
  { reload }: Settings,
): HoldfastError<ConfigErrorCode> {
  const next = reload === 'hot' ? 'refresh() to try it again' : 'restart to run the last-known-good'
  const message = `config ${config.hash.slice(0, 12)} failed its probation: ${problem}; fix it at its source, or ${next}`
  return configError('CONFIG_ROLLED_BACK', message, { cause, fields: { hash: config.hash } })
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
