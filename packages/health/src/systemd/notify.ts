import { type Clock, checkMethods, createEvents, type On, type Running, systemClock } from '@holdfast/core'
import { healthError } from '../errors.ts'
import type { Health } from '../health.ts'
import { oneLine } from '../safe-text.ts'
import { planNotify, type SystemdEnvironment } from './environment.ts'
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
  /** It could not be told: `NOTIFY_FAILED`. What follows is sent all the same. */
  failed(error: Error): void
}

export interface SystemdNotify extends Running {
  readonly on: On<SystemdNotifyEvents>
  /** Tells STOPPING=1. Resolves when that is delivered, or has failed. */
  drain(): Promise<void>
}

/**
 * Keeps systemd told: READY=1 once `startup` passes, STATUS as `ready` goes,
 * STOPPING=1 on `drain` or `close`, and WATCHDOG=1 at half its time while
 * `live` passes.
 *
 * The watchdog is fed by a timer of this event loop and nothing else: a loop
 * that stands still, or a `live` gate that fails, starves it, and systemd
 * restarts the service. Messages go out one after another, in order. Does
 * nothing where there is no NOTIFY_SOCKET.
 */
export function startSystemdNotify(options: SystemdNotifyOptions): SystemdNotify {
  const { health, environment, clock = systemClock } = options
  checkMethods('health', health, ['probe', 'on'])
  const plan = planNotify(environment, process.pid)
  const send = options.send ?? (plan && systemdNotify(plan.socket, process.pid))
  const events = createEvents<SystemdNotifyEvents>()
  const stop = new AbortController()
  let sending = Promise.resolve()
  let ready = false
  let status: string | undefined
  let stopping = false
  const unsubscribe = plan ? health.on('gateChanged', follow) : (): void => {}
  const watched = plan?.watchdogEveryMs === undefined ? undefined : feed(plan.watchdogEveryMs)
  if (plan) follow()
  return { on: events.on, drain, close, [Symbol.asyncDispose]: close }

  function follow(): void {
    const now = describe()
    const becomesReady = !ready && health.probe('startup').ok
    if (becomesReady) notify('READY=1', now)
    else if (now !== status) notify(now)
    ready ||= becomesReady
    status = now
  }

  function describe(): string {
    const { ok, why } = health.probe('ready')
    return `STATUS=${oneLine(ok ? 'ready' : `not ready: ${why.join('; ')}`)}`
  }

  async function feed(everyMs: number): Promise<void> {
    while (!stop.signal.aborted) {
      if (health.probe('live').ok) notify('WATCHDOG=1')
      await clock.sleep(everyMs, stop.signal)
    }
  }

  function notify(...assignments: string[]): void {
    sending = sending.then(() => deliver(assignments))
  }

  async function deliver(assignments: readonly string[]): Promise<void> {
    try {
      await send?.(assignments)
      events.emit('notified', assignments)
    } catch (cause) {
      events.emit(
        'failed',
        healthError('NOTIFY_FAILED', `systemd could not be told ${assignments[0]}`, { cause }),
      )
    }
  }

  async function drain(): Promise<void> {
    if (plan && !stopping) notify('STOPPING=1', describe())
    stopping = true
    await sending
  }

  async function close(): Promise<void> {
    unsubscribe()
    stop.abort()
    await watched
    await drain()
  }
}
