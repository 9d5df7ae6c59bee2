import {
  type Clock,
  checkNumber,
  checkOneOf,
  checkString,
  createEvents,
  type On,
  type Random,
  type Running,
  type Stats,
  systemClock,
  type WaitOptions,
} from '@holdfast/core'
import { createBoard } from './board.ts'
import { type Check, type CheckReport, type Gate, gates, type Probe, type Status } from './check.ts'
import { planCheck } from './check-plan.ts'
import { healthError } from './errors.ts'
import { type EventLoopOptions, eventLoopCheck, eventLoopDelay } from './event-loop.ts'
import { judgeGate } from './gate.ts'
import { healthStats } from './health-stats.ts'
import { createHolds } from './holds.ts'
import { oneLine } from './safe-text.ts'
import { createStandings } from './standing.ts'

export interface HealthOptions {
  /** The checks to begin with, in any order; `add` brings more. @default none */
  readonly checks?: readonly Check[]
  /** How the `live` gate watches the event loop; `false` leaves it out. @default all defaults */
  readonly eventLoop?: EventLoopOptions | false
  /** How long `drain` waits after `ready` failed, for every load balancer to notice, in milliseconds, ≥ 0. @default 5_000 */
  readonly drainDelayMs?: number
  /**
   * `held`: `startup` fails until the first `admit()`, and `ready` whenever nothing is admitted, so
   * that no probe passes before the last part is up. @default 'open'
   */
  readonly traffic?: 'open' | 'held'
  /** @default systemClock */
  readonly clock?: Clock
  /** Spreads the checks in time. @default Math.random */
  readonly random?: Random
}

export type HealthEvents = {
  /** The status of a check became another. One that only went stale is told within a second. */
  changed(report: CheckReport, was: Status): void
  /** The status of a gate became another; told after the checks that caused it. */
  gateChanged(probe: Probe, was: Status): void
  /** `drain()` was called for the first time: the end has begun, and `ready` fails. */
  draining(): void
}

export interface Health extends Running {
  readonly on: On<HealthEvents>
  /**
   * How a gate stands: synchronous, from the latest results, without I/O. A gate without checks
   * passes. `startup` stays passed once it has; `ready` fails until then.
   */
  probe(gate: Gate): Probe
  /** `probe(gate).ok`, for whoever asks thousands of times a second. */
  isOpen(gate: Gate): boolean
  /** Every check, in the order of adding. */
  reports(): readonly CheckReport[]
  /**
   * Adds one check or several and runs them. The returned function removes them again: a run in
   * flight is aborted, and who needs them is blocked until they are back. Idempotent.
   *
   * Throws a TypeError or RangeError for a bad option, a name that is taken, a need that no check
   * answers to, and needs in a ring; then nothing was added. `HEALTH_CLOSED` after `close()`.
   */
  add(checks: Check | readonly Check[]): () => void
  /** Makes a gate fail, whatever its checks say, until the returned function is called. Shown to anyone who asks: no secrets. */
  fail(gate: Gate, why: string): () => void
  /** Lets work come in, as far as the checks do, until the returned function is called; idempotent. See `startTraffic`. */
  admit(): () => void
  /**
   * Begins the end: `ready` fails from now on, `live` does not. Resolves `drainDelayMs` later, when
   * those who send work have had the time to see it. Once, however often it is called.
   */
  drain(options?: WaitOptions): Promise<void>
  stats(): Stats
}

/** How often staleness is looked for, so that events tell of it; probes always know. */
const sweepMs = 1_000
const notAdmitted = 'not everything is up'

/**
 * Runs checks in the background and answers, at any moment, whether this
 * process has started, may be sent work, and should be left alive.
 *
 * Keeps the process alive until closed. After `close()` nothing runs, `ready`
 * fails, and `live` passes: a process that ends is not to be restarted for it.
 */
export function startHealth(options: HealthOptions = {}): Health {
  const { clock = systemClock, random = Math.random, eventLoop = {} } = options
  const drainDelayMs = checkNumber('drainDelayMs', options.drainDelayMs ?? 5_000, { min: 0 })
  const initial = (options.checks ?? []).map((check) => planCheck(check))
  const events = createEvents<HealthEvents>()
  const holds = createHolds()
  const traffic = checkOneOf('traffic', options.traffic ?? 'open', ['open', 'held'])
  const unadmitted =
    traffic === 'held' ? [holds.add('startup', notAdmitted), holds.add('ready', notAdmitted)] : []
  let admitted = 0
  const standings = createStandings(clock)
  const sinceMs = (check: string, status: Status): number => standings.sinceMs(`check ${check}`, status)
  const board = createBoard({ clock, random, sinceMs, turned: reviewSoon })
  const opened = new Map<Gate, { readonly ok: boolean; readonly until: number }>()
  const stop = new AbortController()
  let due = false
  let drained: Promise<void> | undefined
  let closed: Promise<void> | undefined

  const lag = eventLoop === false ? undefined : (eventLoop.source ?? eventLoopDelay())
  try {
    board.add([...initial, ...(lag && eventLoop ? [planCheck(eventLoopCheck(eventLoop, lag))] : [])])
  } catch (error) {
    lag?.close()
    throw error
  }
  const swept = sweep()
  return {
    on: events.on,
    probe,
    isOpen,
    reports: () => board.reports(),
    add,
    fail,
    admit,
    drain,
    stats: () => healthStats(board),
    close,
    [Symbol.asyncDispose]: close,
  }

  function probe(gate: Gate): Probe {
    const judged = judgeGate(gate, board.reports(gate), gate === 'ready' ? readyHolds() : holds.of(gate))
    return { ...judged, sinceMs: standings.sinceMs(`gate ${gate}`, judged.status) }
  }

  /** Remembered until something turns, or a pass may have gone stale. */
  function isOpen(gate: Gate): boolean {
    const known = opened.get(gate)
    if (known && clock.now() <= known.until) return known.ok
    const fresh = { until: board.freshUntil(), ok: probe(gate).ok }
    opened.set(gate, fresh)
    return fresh.ok
  }

  /** Who has not started is not ready. */
  function readyHolds(): readonly string[] {
    const startup = probe('startup')
    return startup.ok ? holds.of('ready') : [...holds.of('ready'), ...startup.why]
  }

  function add(checks: Check | readonly Check[]): () => void {
    if (closed) throw healthError('HEALTH_CLOSED', 'This health is closed: add checks before close()')
    const remove = board.add([checks].flat().map((check) => planCheck(check as Check)))
    review()
    return () => {
      remove()
      review()
    }
  }

  function fail(gate: Gate, why: string): () => void {
    const release = holds.add(checkOneOf('gate', gate, gates), oneLine(checkString('why', why)))
    review()
    return () => {
      release()
      review()
    }
  }

  function admit(): () => void {
    let admits = true
    admitted += 1
    for (const release of unadmitted.splice(0)) release()
    review()
    return () => {
      if (admits) admitted -= 1
      if (admits && admitted === 0) unadmitted.push(holds.add('ready', notAdmitted))
      admits = false
      review()
    }
  }

  /** Results that arrive together are looked at together. */
  function reviewSoon(): void {
    if (due) return
    due = true
    queueMicrotask(() => {
      due = false
      review()
    })
  }

  /** Tells what has changed since the last look, the checks first. */
  function review(): void {
    opened.clear()
    const reports = board.reports()
    standings.keepOnly(
      new Set([...reports.map(({ name }) => `check ${name}`), ...gates.map((gate) => `gate ${gate}`)]),
    )
    for (const report of reports) {
      const was = standings.turn(`check ${report.name}`, report.status)
      if (was !== undefined) events.emit('changed', { ...report, sinceMs: 0 }, was)
    }
    for (const probed of gates.map(probe)) {
      const was = standings.turn(`gate ${probed.gate}`, probed.status)
      if (was !== undefined) events.emit('gateChanged', { ...probed, sinceMs: 0 }, was)
    }
    board.wakeUnblocked()
  }

  async function sweep(): Promise<void> {
    while (!stop.signal.aborted) {
      review()
      await clock.sleep(sweepMs, stop.signal)
    }
  }

  async function drain({ signal }: WaitOptions = {}): Promise<void> {
    if (!drained) {
      drained = clock.sleep(drainDelayMs, stop.signal)
      fail('ready', 'this process is stopping')
      events.emit('draining')
    }
    await waitFor(drained, signal)
  }

  function close(): Promise<void> {
    closed ??= end()
    return closed
  }

  async function end(): Promise<void> {
    fail('ready', 'this process has stopped')
    stop.abort()
    lag?.close()
    await Promise.all([board.stop(), swept])
  }
}

/** Waits for the promise; the signal ends the waiting with its reason. */
async function waitFor(promise: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const giveUp = (): void => reject(signal?.reason)
    signal?.addEventListener('abort', giveUp, { once: true })
    promise.then(resolve, reject).finally(() => signal?.removeEventListener('abort', giveUp))
  })
}
