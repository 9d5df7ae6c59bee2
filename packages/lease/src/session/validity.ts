import type { Clock } from '@holdfast/core'

/** A moment by both clocks: `nowMs` stands still while the host is suspended, `uptimeMs` goes on. */
export interface Instant {
  readonly nowMs: number
  readonly uptimeMs: number
}

/** For how long a lease is certain not to have been given away, counted from when we asked for it. */
export interface Validity {
  readonly sent: Instant
  readonly lastsMs: number
}

export function instant(clock: Clock): Instant {
  return { nowMs: clock.now(), uptimeMs: clock.uptime() }
}

/**
 * Milliseconds that are left, by the clock that went further; at or below 0 it is no longer valid.
 * `uptime` counts in steps of 10 ms, which the margin covers.
 *
 * The store starts its count when it handles the call, never before we sent it, so ours ends
 * first, by the margin at least: C. Gray and D. Cheriton, "Leases" (SOSP 1989).
 */
export function leftMs({ sent, lastsMs }: Validity, at: Instant): number {
  const elapsedMs = at.nowMs - sent.nowMs
  const elapsedUptimeMs = at.uptimeMs - sent.uptimeMs
  return lastsMs - Math.max(elapsedMs, elapsedUptimeMs)
}
