import { isHoldfastError } from '@holdfast/core'

/**
 * What the exit code of an agent's process means; those of BSD's sysexits(3) where one fits.
 * A second signal ends the process with 128 + the signal's number, as a shell tells it.
 */
export const exitCodes = {
  /** It was asked to stop, and everything was drained and closed. */
  stopped: 0,
  /** EX_UNAVAILABLE: a unit could not be started. */
  startFailed: 69,
  /** EX_SOFTWARE: more restarts than the intensity lets pass, or a ladder that ended in `escalate`. */
  gaveUp: 70,
  /** EX_IOERR: it was asked to stop, but a unit failed to drain or to close. */
  stopFailed: 74,
} as const

/** The exit code for what `run` rejected with, or for its success. */
export function exitCodeOf(error?: unknown): number {
  if (error === undefined) return exitCodes.stopped
  if (isHoldfastError(error, 'AGENT_START_FAILED')) return exitCodes.startFailed
  return isHoldfastError(error, 'AGENT_STOP_FAILED') ? exitCodes.stopFailed : exitCodes.gaveUp
}
