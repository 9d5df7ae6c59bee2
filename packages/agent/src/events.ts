import type { Rung } from './types.ts'

/** Something that happened to one unit. Durations are in milliseconds. */
interface OfUnit {
  readonly unit: string
  readonly durationMs: number
}

interface Failed {
  readonly error: unknown
}

interface MayHaveFailed {
  readonly error?: unknown
}

/** Every phase of every unit, in the order in which it happened. */
export interface AgentEvents {
  /** A unit is up. */
  started(event: OfUnit): void
  /** A start failed, timed out, or was aborted. */
  startFailed(event: OfUnit & Failed): void
  /** A unit ended by itself, after so long up; with an error if it failed. `stopping`: it was being stopped at the time, and nothing follows. */
  exited(event: OfUnit & MayHaveFailed & { readonly stopping: boolean }): void
  /** A unit and all that needs it, `units`, will be stopped and started again, after a pause. */
  restartPlanned(event: {
    readonly unit: string
    readonly units: readonly string[]
    /** Failures in a row without healthy uptime between them, from 1. */
    readonly failures: number
    readonly pauseMs: number
    readonly error: unknown
  }): void
  drained(event: OfUnit & MayHaveFailed): void
  stopped(event: OfUnit & MayHaveFailed): void
  /** A start, drain or close did not end in its time and was left behind. */
  abandoned(event: OfUnit & { readonly phase: 'start' | 'drain' | 'close' }): void
  /** What was abandoned in its start arrived after all and was closed, or failed to close. */
  lateClosed(event: OfUnit & MayHaveFailed): void
  /** One rung of a ladder was applied, or failed. */
  healed(event: OfUnit & MayHaveFailed & { readonly rung: string; readonly why: unknown }): void
  /** All units are up, for the first time since the start. */
  agentStarted(event: { readonly durationMs: number }): void
  /** The agent gives up: everything is being stopped. */
  escalated(event: Failed): void
  /** Everything is down. `error` combines what failed to stop. */
  agentStopped(event: MayHaveFailed & { readonly durationMs: number }): void
}

export function rungName(rung: Rung): string {
  return typeof rung === 'string' ? rung : rung.name
}
