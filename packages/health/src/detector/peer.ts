import type { Beat } from '../heartbeat.ts'
import { phi } from './phi.ts'
import { createWindow, type Window } from './window.ts'

/** What is known of one sender. Times are of the observer's own watching, in milliseconds. */
export interface Peer {
  /** `undefined` until its first beat. */
  readonly incarnation: number | undefined
  readonly intervalMs: number
  readonly sequence: number
  readonly heardAt: number
  readonly window: Window
}

export interface PeerRules {
  readonly windowSize: number
  readonly pauseIntervals: number
  readonly minDeviation: number
}

/** Beats closer together than this share of the interval arrived in a batch: that is no rhythm. */
const batchShare = 0.1

/**
 * What a beat makes of what is known, or `undefined` for one that tells nothing:
 * old, a duplicate, or of an incarnation that another has followed.
 *
 * Two incarnations at once: the higher one counts. The lower is heard only
 * once the higher is `gone`, as when a clock was set back before a restart.
 */
export function hear(
  peer: Peer | undefined,
  beat: Beat,
  { now, gone, rules }: { now: number; gone: boolean; rules: PeerRules },
): Peer | undefined {
  if (peer?.incarnation === undefined || beat.incarnation > peer.incarnation)
    return firstHeard(beat, now, rules)
  if (beat.incarnation < peer.incarnation) return gone ? firstHeard(beat, now, rules) : undefined
  if (beat.sequence <= peer.sequence) return undefined
  if (beat.intervalMs !== peer.intervalMs) return firstHeard(beat, now, rules)
  const intervalMs = (now - peer.heardAt) / (beat.sequence - peer.sequence)
  // A lost beat is what the pause is for; it must not widen the rhythm. Nor must a partition.
  if (intervalMs >= batchShare * beat.intervalMs)
    peer.window.add(Math.min(intervalMs, (1 + rules.pauseIntervals) * beat.intervalMs))
  return { ...peer, sequence: beat.sequence, heardAt: now }
}

function firstHeard({ incarnation, sequence, intervalMs }: Beat, now: number, rules: PeerRules): Peer {
  return { ...expected(intervalMs, now, rules), incarnation, sequence }
}

/** A peer that has sent nothing, as if it had sent its beat 0 now. */
export function expected(intervalMs: number, now: number, { windowSize }: PeerRules): Peer {
  const window = createWindow(windowSize, intervalMs)
  return { incarnation: undefined, sequence: 0, intervalMs, heardAt: now, window }
}

/** How suspicious this peer's silence is. */
export function suspicion(
  { intervalMs, heardAt, window }: Peer,
  now: number,
  { pauseIntervals, minDeviation }: PeerRules,
): number {
  const { meanMs, deviationMs } = window.rhythm()
  return phi(now - heardAt, {
    meanMs: meanMs + pauseIntervals * intervalMs,
    deviationMs: Math.max(deviationMs, minDeviation * intervalMs),
  })
}
