export { type Backoff, backoffMs, checkBackoff } from './backoff.ts'
export { type Clock, type Random, systemClock } from './clock.ts'
export {
  defineErrors,
  type ErrorDetails,
  type ErrorFactory,
  HoldfastError,
  isHoldfastError,
  type Retryability,
} from './errors.ts'
export { createEvents, type Events, type ListenerErrors, type On } from './events.ts'
export {
  checkFunction,
  checkInteger,
  checkMethods,
  checkNumber,
  checkOneOf,
  checkString,
  type NumberRange,
} from './options.ts'
export { type FailedAttempt, type RetryOptions, retry } from './retry.ts'
export type { Running, Stat, Stats, WaitOptions } from './running.ts'
export { type TimeoutOptions, withTimeout } from './timeout.ts'
