/** What systemd tells a service about its notifications, as `process.env` holds it. */
export interface SystemdEnvironment {
  readonly [name: string]: string | undefined
  readonly NOTIFY_SOCKET?: string | undefined
  readonly WATCHDOG_USEC?: string | undefined
  readonly WATCHDOG_PID?: string | undefined
}

export interface NotifyPlan {
  readonly socket: string
  /** Half of what systemd allows, as sd_watchdog_enabled(3) advises; absent when it does not watch this process. */
  readonly watchdogEveryMs: number | undefined
}

/** Reads systemd's environment for the process `pid`; `undefined` when nothing is to be notified. */
export function planNotify(environment: SystemdEnvironment, pid: number): NotifyPlan | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC, WATCHDOG_PID } = environment
  if (!socket) return undefined
  const allowedMs = Number(WATCHDOG_USEC) / 1_000
  const watched =
    allowedMs > 0 && Number.isFinite(allowedMs) && (!WATCHDOG_PID || Number(WATCHDOG_PID) === pid)
  return { socket, watchdogEveryMs: watched ? allowedMs / 2 : undefined }
}
