import type { Report } from './report.ts'
import type { Mode, Phase } from './types.ts'

interface OfStep {
  readonly step: string
  readonly tier: number
}

/** Every phase of every step, in the order in which it happened. Times are in milliseconds; `atMs` counts from the declaration. */
export interface RecoveryEvents {
  /** The run began, or went on where its journal was cut off. */
  began(event: {
    readonly run: string
    readonly mode: Mode
    readonly resumed: boolean
    readonly atMs: number
  }): void
  /** A step got a slot. */
  stepBegan(event: OfStep & { readonly atMs: number }): void
  /** A function of a step is being called. `healthy` is told once for all its calls. */
  phaseBegan(event: OfStep & { readonly phase: Phase; readonly attempt: number }): void
  phaseEnded(
    event: OfStep & {
      readonly phase: Phase
      readonly attempt: number
      readonly durationMs: number
      readonly error?: unknown
    },
  ): void
  /** An attempt failed, and another follows after the pause. */
  retryPlanned(
    event: OfStep & {
      readonly phase: Phase
      readonly attempt: number
      readonly pauseMs: number
      readonly error: unknown
    },
  ): void
  /** `state` answered that it has been started: it is not started again. */
  found(event: OfStep): void
  /** It was healthy, but just before traffic it or what it stands on, `unhealthy`, is not: it waits. */
  reverted(event: OfStep & { readonly unhealthy: readonly string[] }): void
  /** Its traffic is open; in a drill, would be. */
  ready(event: OfStep & { readonly atMs: number; readonly durationMs: number }): void
  failed(event: OfStep & { readonly phase: Phase; readonly error: unknown }): void
  /** It is not begun, because `because`, which it needs, failed. */
  skipped(event: OfStep & { readonly because: string }): void
  /** All of a tier is ready. */
  tierReady(event: { readonly tier: number; readonly atMs: number; readonly rtoMs: number }): void
  /** A tier's RTO passed with not all of it ready. Nothing is aborted. */
  rtoExceeded(event: { readonly tier: number; readonly atMs: number; readonly rtoMs: number }): void
  /** A record could not be written. The run goes on; after a crash more is asked again than would be needed. */
  journalFailed(event: { readonly error: unknown }): void
  /** Nothing is left to do. */
  ended(event: { readonly report: Report }): void
}
