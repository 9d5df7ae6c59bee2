import { cpus, freemem, loadavg, totalmem, uptime } from 'node:os'

/** One reading of this machine. */
export interface HostSample {
  load1: number
  memoryUsedBytes: number
  uptimeSeconds: number
  /** Time that all processors have spent at work since the machine started. */
  cpuBusyMs: number
}

export function readHost(): HostSample {
  return {
    load1: loadavg()[0] ?? 0,
    memoryUsedBytes: totalmem() - freemem(),
    uptimeSeconds: uptime(),
    cpuBusyMs: cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0),
  }
}
