import type { Mode, Phase } from '../types.ts'

/**
 * Where a run writes down what it did, so that another process can go on.
 *
 * An adapter keeps records in the order of the calls of `append`, and gives
 * back from `read`, also in another process and after a crash, every record
 * whose `append` resolved, and of the others a prefix. One run at a time uses
 * a journal: an adapter should see to it where it can.
 */
export interface Journal {
  /** All records, the oldest first. */
  read(): Promise<readonly JournalRecord[]>
  /** Resolves when the record will be read after a power cut. */
  append(record: JournalRecord): Promise<void>
}

export interface DeclaredStep {
  readonly name: string
  readonly tier: number
  readonly needs: readonly string[]
}

export interface ErrorRecord {
  readonly message: string
  readonly code?: string
}

interface Timed {
  /** Milliseconds since the declaration; never less than in the record before. */
  readonly atMs: number
}

interface OfStep extends Timed {
  readonly step: string
}

/** The plan as it is when a run begins or goes on: all that a report needs of it. */
export interface DeclaredPlan {
  readonly steps: readonly DeclaredStep[]
  readonly rtoMs: Readonly<Record<number, number>>
  /** When each tier is expected to be ready, in milliseconds since the first begin. */
  readonly forecastMs: Readonly<Record<number, number>>
}

/** What a run writes down. All of it is plain JSON. */
export type JournalRecord =
  | ({
      readonly type: 'declared'
      readonly run: string
      readonly mode: Mode
      readonly folder: string
      /** Wall-clock milliseconds. */
      readonly declaredAt: number
      readonly plan: DeclaredPlan
    } & Timed)
  /** Another process, or another call of `start`, goes on: failed and skipped steps are tried again. */
  | ({ readonly type: 'resumed'; readonly plan: DeclaredPlan } & Timed)
  | ({ readonly type: 'began' } & OfStep)
  /** `state` answered that it has been started. */
  | ({ readonly type: 'found' } & OfStep)
  | ({ readonly type: 'verified'; readonly durationMs: number } & OfStep)
  /** Written before `start` is called. */
  | ({ readonly type: 'starting'; readonly attempt: number } & OfStep)
  | ({ readonly type: 'started'; readonly durationMs: number } & OfStep)
  | ({ readonly type: 'healthy'; readonly durationMs: number } & OfStep)
  /** Traffic is open. `durationMs` from begin to ready, where all of it was done in one go. */
  | ({ readonly type: 'ready'; readonly durationMs?: number; readonly trafficMs?: number } & OfStep)
  | ({ readonly type: 'failed'; readonly phase: Phase; readonly error: ErrorRecord } & OfStep)
  | ({ readonly type: 'skipped'; readonly because: string } & OfStep)
  | ({ readonly type: 'stopped'; readonly error?: ErrorRecord } & OfStep)
  | ({ readonly type: 'ended'; readonly outcome: Outcome } & Timed)

/** `recovered`: every step is ready. `incomplete`: some failed or were skipped. `aborted`: a drill was closed. */
export type Outcome = 'recovered' | 'incomplete' | 'aborted'
