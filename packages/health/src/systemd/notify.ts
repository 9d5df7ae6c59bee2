import { type Clock, checkMethods, createEvents, type On, type Running, systemClock } from '@holdfast/core'
import { healthError } from '../errors.ts'
import type { Health } from '../health.ts'
import { oneLine } from '../safe-text.ts'
import { type NotifyPlan, planNotify, type SystemdEnvironment } from './environment.ts'
import { type NotifySend, systemdNotify } from './sender.ts'

export interface SystemdNotifyOptions {
  readonly health: Pick<Health, 'probe' | 'on'>
  /** Where systemd left its wishes; `process.env`. */
  readonly environment: SystemdEnvironment
  /** @default the program `systemd-notify` */
  readonly send?: NotifySend
  /** @default systemClock */
  readonly clock?: Clock
}

export type SystemdNotifyEvents = {
  /** systemd took this. */
  notified(assignments: readonly string[]): void
  /** It could not be told: `NOTIFY_FAILED`. All but a sign of life is told again within a second, until it is taken. */
  failed(error: Error): void
}

export interface SystemdNotify extends Running {
  readonly on: On<SystemdNotifyEvents>
  /** Tells STOPPING=1, if that is not told yet. Resolves when that is delivered, or has failed. */
  drain(): Promise<void>
}

/**
 * Keeps systemd told: READY=1 once `startup` passes, STATUS as `ready` goes,
 * STOPPING=1 as soon as the health drains, or this is drained or closed, and
 * WATCHDOG=1 at half its time while `live` passes.
 *
 * The watchdog is fed by a timer of this event loop and nothing else: a loop
 * that stands still, or a `live` gate that fails, starves it, and systemd
 * restarts the service. One message is under way at a time; what comes up
 * meanwhile goes into the next. What fails is told again, but for STOPPING=1,
 * which is tried once. Does nothing where there is no NOTIFY_SOCKET.
 */
export function startSystemdNotify(options: SystemdNotifyOptions): SystemdNotify {
  const { health, environment, clock = systemClock } = options
  checkMethods('health', health, ['probe', 'on'])
  const plan = planNotify(environment, process.pid)
  const send = options.send ?? (plan && systemdNotify(plan.socket, process.pid))
  const events = createEvents<SystemdNotifyEvents>()
  const stop = new AbortController()
  const pending = new Map<string, string>()
  let sending: Promise<void> | undefined
  let pause = new AbortController()
  let ready = false
  let status: string | undefined
  let stopping = false
  const subscriptions = plan ? [health.on('gateChanged', follow), health.on('draining', tellStopping)] : []
  const fed = plan && feed(plan)
  return { on: events.on, drain, close, [Symbol.asyncDispose]: close }

  function follow(): void {
    const now = describe()
    const becomesReady = !ready && health.probe('startup').ok
    if (becomesReady) notify(started, now)
    else if (now !== status) notify(now)
    ready ||= becomesReady
    status = now
  }

  function describe(): string {
    const { ok, why } = health.probe('ready')
    return `STATUS=${oneLine(ok ? 'ready' : `not ready: ${why.join('; ')}`)}`
  }

  /** The reasons in STATUS change without a gate turning, so it too is looked at. */
  async function feed({ watchdogEveryMs }: NotifyPlan): Promise<void> {
    while (!stop.signal.aborted) {
      if (watchdogEveryMs !== undefined && health.probe('live').ok) notify(alive)
      follow()
      await clock.sleep(watchdogEveryMs ?? lookMs, stop.signal)
    }
  }

  /** A later word on the same matter replaces one that is not sent yet. */
  function notify(...assignments: string[]): void {
    for (const assignment of assignments) pending.set(subjectOf(assignment), assignment)
    sending ??= Promise.resolve().then(sendPending)
  }

  async function sendPending(): Promise<void> {
    while (pending.size > 0) {
      const assignments = [...pending.values()]
      pending.clear()
      if (await deliver(assignments)) continue
      if (stopping && assignments.includes(stoppingNow)) break
      for (const assignment of assignments) putBack(assignment)
      pause = new AbortController()
      if (!stopping) await clock.sleep(retryMs, pause.signal)
    }
    sending = undefined
  }

  /** An old sign of life is none, and who is stopping is no longer ready; everything else has still to be told. */
  function putBack(assignment: string): void {
    if (assignment === alive || (assignment === started && stopping)) return
    const subject = subjectOf(assignment)
    if (!pending.has(subject)) pending.set(subject, assignment)
  }

  async function deliver(assignments: readonly string[]): Promise<boolean> {
    try {
      await send?.(assignments)
      events.emit('notified', assignments)
      return true
    } catch (cause) {
      const message = `systemd could not be told ${assignments.join(', ')}; is the program systemd-notify there, and does the unit allow NotifyAccess=all?`
      events.emit('failed', healthError('NOTIFY_FAILED', message, { cause }))
      return false
    }
  }

  function tellStopping(): void {
    if (!plan || stopping) return
    stopping = true
    pending.delete(subjectOf(started))
    status = describe()
    notify(stoppingNow, status)
    pause.abort()
  }

  async function drain(): Promise<void> {
    tellStopping()
    await sending
  }

  async function close(): Promise<void> {
    for (const unsubscribe of subscriptions) unsubscribe()
    stop.abort()
    await fed
    await drain()
  }
}

const started = 'READY=1'
const alive = 'WATCHDOG=1'
const stoppingNow = 'STOPPING=1'
/** How often the status is looked at where no watchdog sets the pace. */
const lookMs = 5_000
/** What was not taken is told again after so long. */
const retryMs = 1_000

function subjectOf(assignment: string): string {
  return assignment.slice(0, assignment.indexOf('='))
}
