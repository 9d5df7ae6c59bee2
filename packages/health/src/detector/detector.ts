import { type Clock, checkInteger, checkNumber, systemClock } from '@holdfast/core'
import type { Beat } from '../heartbeat.ts'
import { expected, hear, type Peer, type PeerRules, suspicion } from './peer.ts'
import { maxPhi } from './phi.ts'
import { createWatch } from './watch.ts'

export interface DetectorOptions {
  /** The usual interval of the senders, in milliseconds, ≥ 1; each beat's own counts for its sender. @default 5_000 */
  readonly intervalMs?: number
  /** φ from which a peer is suspect, > 0 and ≤ 100. @default 5 */
  readonly suspectAt?: number
  /** φ from which a peer is dead, ≥ `suspectAt` and ≤ 100. @default 8 */
  readonly deadAt?: number
  /** Silence that is acceptable beyond the rhythm, in the sender's intervals, ≥ 0: how many beats in a row may be lost. @default 2 */
  readonly pauseIntervals?: number
  /** The rhythm never counts as steadier than this share of the interval, > 0. @default 0.1 */
  readonly minDeviation?: number
  /** How many intervals make the rhythm, 2 to 10_000. @default 100 */
  readonly windowSize?: number
  /** At least how often `verdicts` or `heard` is called, in milliseconds, ≥ 1. A longer gap is a stall of the observer. @default intervalMs */
  readonly roundMs?: number
  /** @default systemClock */
  readonly clock?: Pick<Clock, 'now'>
}

/** What an observer makes of a peer's silence. Never act on it as on a fact: who owns what is for leases to say. */
export interface Verdict {
  readonly id: string
  readonly state: 'alive' | 'suspect' | 'dead'
  /** 0 to 100. */
  readonly phi: number
  /** Since the last beat, as far as the observer lived through it, in milliseconds. */
  readonly silentMs: number
  /** Of its latest beat; `undefined` for a peer that was expected and has sent none. */
  readonly incarnation: number | undefined
}

export interface Detector {
  /** Takes a beat in, at the moment of its receipt. False for one that tells nothing: old, a duplicate, of an earlier life. */
  heard(id: string, beat: Beat): boolean
  /** Counts the silence of a peer from now on though it has sent nothing yet: it is registered, say. No effect on one that is known. */
  expect(id: string): void
  /** One verdict for each peer ever heard or expected, and not forgotten. */
  verdicts(): readonly Verdict[]
  /** Forgets a peer: it left, or its lease has expired. */
  forget(id: string): void
}

/**
 * Forms an opinion, from the beats that arrive, on which senders are alive: φ accrual.
 *
 * Inert: it holds no timer; call `verdicts` at least every `roundMs`. Measures
 * by the monotonic time of receipt, so no clock of a sender, and no step of
 * the wall clock, matters. A peer that has sent nothing yet is known only once
 * it is expected. Keeps about a kilobyte a peer.
 *
 * Each sender gets the timeout that its own rhythm deserves, with nothing to
 * tune. Where one fixed timeout fits all senders it detects as fast, as the
 * benchmark shows side by side. From here, cut off and dead look the same:
 * hand over what a peer owns when its lease expires, never for a verdict.
 */
export function createDetector(options: DetectorOptions = {}): Detector {
  const { intervalMs = 5_000, suspectAt = 5, deadAt = 8, clock = systemClock } = options
  checkNumber('intervalMs', intervalMs, { min: 1 })
  checkNumber('suspectAt', suspectAt, { min: Number.MIN_VALUE, max: maxPhi })
  checkNumber('deadAt', deadAt, { min: suspectAt, max: maxPhi })
  const rules = checkRules(options)
  const watch = createWatch(checkNumber('roundMs', options.roundMs ?? intervalMs, { min: 1 }), clock.now())
  const peers = new Map<string, Peer>()
  return { heard, expect, verdicts, forget: (id) => void peers.delete(id) }

  function heard(id: string, beat: Beat): boolean {
    const now = watch.at(clock.now())
    if (!isBeat(beat)) return false
    const peer = peers.get(id)
    const next = hear(peer, beat, {
      now,
      gone: peer !== undefined && suspicion(peer, now, rules) >= deadAt,
      rules,
    })
    if (next) peers.set(id, next)
    return next !== undefined
  }

  function expect(id: string): void {
    const now = watch.at(clock.now())
    if (!peers.has(id)) peers.set(id, expected(intervalMs, now, rules))
  }

  function verdicts(): readonly Verdict[] {
    const now = watch.at(clock.now())
    return [...peers].map(([id, peer]) => {
      const phi = suspicion(peer, now, rules)
      const state = phi >= deadAt ? 'dead' : phi >= suspectAt ? 'suspect' : 'alive'
      return { id, state, phi, silentMs: now - peer.heardAt, incarnation: peer.incarnation }
    })
  }
}

function checkRules({
  pauseIntervals = 2,
  minDeviation = 0.1,
  windowSize = 100,
}: DetectorOptions): PeerRules {
  return {
    pauseIntervals: checkNumber('pauseIntervals', pauseIntervals, { min: 0 }),
    minDeviation: checkNumber('minDeviation', minDeviation, { min: Number.MIN_VALUE }),
    windowSize: checkInteger('windowSize', windowSize, { min: 2, max: 10_000 }),
  }
}

/** Beats come from outside: what is not one is as good as silence. */
function isBeat({ incarnation, sequence, intervalMs }: Beat): boolean {
  return (
    Number.isSafeInteger(incarnation) &&
    Number.isSafeInteger(sequence) &&
    Number.isFinite(intervalMs) &&
    intervalMs > 0
  )
}
