import type { Clock, Events, FailedAttempt } from '@holdfast/core'
import type { Chronicle } from './chronicle.ts'
import type { RecoveryEvents } from './events.ts'
import type { Phase } from './types.ts'

/**
 * How one step tells what it does: as events, and in the journal.
 *
 * Only two records are waited for, `starting` before the start and `ready`
 * before dependents begin: the others cost a recovery no time, and what they
 * tell is seen by `state` as well.
 */
export interface Tell {
  began(): void
  found(): void
  verified(durationMs: number): void
  starting(attempt: number): Promise<void>
  started(durationMs: number): void
  healthy(durationMs: number): void
  ready(durationMs: number, whole: boolean, trafficMs: number | undefined): Promise<void>
  reverted(unhealthy: readonly string[]): void
  retry(phase: Phase, failure: FailedAttempt): void
  /** Tells the begin and the end of a phase around an operation. */
  phase<T>(phase: Phase, attempt: number, operation: () => Promise<T>): Promise<T>
}

export function createTell(
  of: { readonly step: string; readonly tier: number },
  { note, atMs }: Chronicle,
  { emit }: Events<RecoveryEvents>,
  clock: Clock,
): Tell {
  const { step } = of
  const noteTimed = (type: 'verified' | 'started' | 'healthy', durationMs: number): void =>
    void note({ type, step, durationMs: Math.round(durationMs) })
  return {
    began: () => {
      emit('stepBegan', { ...of, atMs: atMs() })
      void note({ type: 'began', step })
    },
    found: () => {
      emit('found', of)
      void note({ type: 'found', step })
    },
    verified: (durationMs) => noteTimed('verified', durationMs),
    starting: (attempt) => note({ type: 'starting', step, attempt }),
    started: (durationMs) => noteTimed('started', durationMs),
    healthy: (durationMs) => noteTimed('healthy', durationMs),
    ready: async (exactMs, whole, trafficMs) => {
      const durationMs = Math.round(exactMs)
      const readyMs = atMs()
      const measured = whole ? { durationMs } : {}
      const opened = trafficMs === undefined ? {} : { trafficMs: Math.round(trafficMs) }
      await note({ type: 'ready', step, ...measured, ...opened })
      emit('ready', { ...of, atMs: readyMs, durationMs })
    },
    reverted: (unhealthy) => emit('reverted', { ...of, unhealthy }),
    retry: (phase, { error, attempt, pauseMs }) =>
      emit('retryPlanned', { ...of, phase, attempt, pauseMs, error }),
    phase: async (phase, attempt, operation) => {
      emit('phaseBegan', { ...of, phase, attempt })
      const begun = clock.now()
      const ended = (): { readonly durationMs: number } => ({ durationMs: clock.now() - begun })
      try {
        const value = await operation()
        emit('phaseEnded', { ...of, phase, attempt, ...ended() })
        return value
      } catch (error) {
        emit('phaseEnded', { ...of, phase, attempt, ...ended(), error })
        throw error
      }
    },
  }
}
