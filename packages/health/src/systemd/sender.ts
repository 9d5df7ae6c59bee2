import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Delivers assignments such as `READY=1` to the service manager. */
export type NotifySend = (assignments: readonly string[]) => Promise<void>

const run = promisify(execFile)

/**
 * Sends by the program `systemd-notify`, since Node has no datagram sockets in the file system.
 *
 * It waits until systemd has taken the message, at most five seconds. The
 * unit needs `NotifyAccess=all`, as the sender is not the main process.
 */
export function systemdNotify(socket: string, pid: number): NotifySend {
  return async (assignments) => {
    await run('systemd-notify', [`--pid=${pid}`, ...assignments], {
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', NOTIFY_SOCKET: socket },
      timeout: 5_000,
      killSignal: 'SIGKILL',
    })
  }
}
