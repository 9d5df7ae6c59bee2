import {
  type Clock,
  checkFunction,
  checkInteger,
  checkNumber,
  createEvents,
  type On,
  type Running,
  type Stats,
  systemClock,
  withTimeout,
} from '@holdfast/core'
import { healthError } from './errors.ts'

/** One sign of life. Plain data: it survives JSON. */
export interface Beat {
  /** Which life of the sender: a later start has a higher number. */
  readonly incarnation: number
  /** Counts the beats of one incarnation, from 1. */
  readonly sequence: number
  /** When to expect the next one, in milliseconds: the sender's own pause. */
  readonly intervalMs: number
}

export interface HeartbeatOptions {
  /** Delivers one beat. The signal aborts when the time is up or the heartbeat is closed; what then goes on holds up the next beat, and `close()`. */
  readonly send: (beat: Beat, signal: AbortSignal) => Promise<unknown>
  /** From the end of one beat to the start of the next, in milliseconds, ≥ 1. @default 5_000 */
  readonly intervalMs?: number
  /** A beat that takes longer, in milliseconds, ≥ 1, is missed. @default intervalMs */
  readonly timeoutMs?: number
  /** Best a counter of this host's starts, kept on disk, ≥ 0. @default the wall clock at the start, in milliseconds */
  readonly incarnation?: number
  /** @default systemClock */
  readonly clock?: Clock
}

export type HeartbeatEvents = {
  /** A beat arrived. */
  sent(beat: Beat): void
  /** A beat failed, so many in a row by now. */
  missed(error: unknown, inARow: number): void
}

export interface Heartbeat extends Running {
  readonly on: On<HeartbeatEvents>
  stats(): Stats
}

/**
 * Shows whoever receives it that this process lives: a beat at once, then one
 * `intervalMs` after the last has ended, until closed.
 *
 * No two are ever on their way together: while a `send` goes on beyond its
 * timeout, deaf to its signal, nothing is sent, and `missed` is told at every
 * interval. A late sign of life is worth nothing, so a beat that fails gives
 * way to the next. `close()` aborts the current `send` and resolves once that
 * has ended; listeners hear nothing of it.
 */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const { intervalMs = 5_000, clock = systemClock } = options
  const send = checkFunction('send', options.send)
  checkNumber('intervalMs', intervalMs, { min: 1 })
  const timeoutMs = checkNumber('timeoutMs', options.timeoutMs ?? intervalMs, { min: 1 })
  const incarnation = checkInteger('incarnation', options.incarnation ?? Math.floor(clock.wall()), { min: 0 })
  const events = createEvents<HeartbeatEvents>()
  const totals = { sent: 0, missed: 0 }
  const stop = new AbortController()
  let sending: Promise<unknown> | undefined
  const stopped = run(stop.signal)
  return { on: events.on, stats, close, [Symbol.asyncDispose]: close }

  async function run(signal: AbortSignal): Promise<void> {
    for (let sequence = 0, missed = 0; !signal.aborted; ) {
      if (!sending) sequence += 1
      const beat = { incarnation, sequence, intervalMs }
      const miss = sending ? { error: late(beat) } : await attempt(beat, signal)
      if (signal.aborted) return
      missed = miss ? missed + 1 : 0
      totals[miss ? 'missed' : 'sent'] += 1
      if (miss) events.emit('missed', miss.error, missed)
      else events.emit('sent', beat)
      await clock.sleep(intervalMs, signal)
    }
  }

  async function attempt(beat: Beat, signal: AbortSignal): Promise<{ error: unknown } | undefined> {
    const limits = { timeoutMs, onTimeout: () => late(beat), signal, clock }
    return withTimeout((scope) => track(async () => send(beat, scope)), limits).then(
      () => undefined,
      (error: unknown) => ({ error }),
    )
  }

  /** Knows of a `send` until it has ended, whether or not somebody still waits for it. */
  async function track(operation: () => Promise<unknown>): Promise<void> {
    const mine = operation()
    sending = mine
    try {
      await mine
    } finally {
      sending = undefined
    }
  }

  function late({ sequence }: Beat): Error {
    return healthError(
      'BEAT_TIMEOUT',
      `Beat ${sequence} was not taken within ${timeoutMs} ms; the next follows once it has ended`,
    )
  }

  function stats(): Stats {
    return {
      heartbeat_sent_total: { kind: 'counter', help: 'Beats that arrived', value: totals.sent },
      heartbeat_missed_total: { kind: 'counter', help: 'Beats that failed', value: totals.missed },
    }
  }

  async function close(): Promise<void> {
    stop.abort()
    await Promise.allSettled([stopped, sending])
  }
}
