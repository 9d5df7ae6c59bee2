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
  /** Delivers one beat. The signal aborts when the time is up or the heartbeat is closed. */
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
 * At most one `send` is in flight; one that ignores its signal may linger on
 * beside its successors. A late sign of life is worth nothing, so a beat that
 * fails counts as `missed` and gives way to the next, with the next sequence.
 * `close()` aborts the current `send` and resolves after its end; listeners
 * hear nothing of it.
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
  const stopped = run(stop.signal)
  return { on: events.on, stats, close, [Symbol.asyncDispose]: close }

  async function run(signal: AbortSignal): Promise<void> {
    for (let sequence = 1, missed = 0; !signal.aborted; sequence += 1) {
      const beat = { incarnation, sequence, intervalMs }
      const miss = await attempt(beat, signal)
      if (signal.aborted) return
      missed = miss ? missed + 1 : 0
      totals[miss ? 'missed' : 'sent'] += 1
      if (miss) events.emit('missed', miss.error, missed)
      else events.emit('sent', beat)
      await clock.sleep(intervalMs, signal)
    }
  }

  async function attempt(beat: Beat, signal: AbortSignal): Promise<{ error: unknown } | undefined> {
    const onTimeout = (): Error =>
      healthError(
        'BEAT_TIMEOUT',
        `Beat ${beat.sequence} was not taken within ${timeoutMs} ms; the next follows in ${intervalMs} ms`,
      )
    return withTimeout(async (scope) => send(beat, scope), { timeoutMs, onTimeout, signal, clock }).then(
      () => undefined,
      (error: unknown) => ({ error }),
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
    await stopped
  }
}
