import type { RecoveryEvents } from './events.ts'

/** How loud each event of a recovery is, for `logEvents` of `@holdfast/agent` or an adapter of your own. */
export const recoveryLogLevels: Readonly<Record<keyof RecoveryEvents, 'debug' | 'info' | 'warn' | 'error'>> =
  {
    began: 'info',
    stepBegan: 'info',
    phaseBegan: 'debug',
    phaseEnded: 'debug',
    retryPlanned: 'warn',
    found: 'info',
    reverted: 'warn',
    ready: 'info',
    failed: 'error',
    skipped: 'error',
    tierReady: 'info',
    rtoExceeded: 'error',
    journalFailed: 'error',
    ended: 'info',
  }
