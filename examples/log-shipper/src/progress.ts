import { type Clock, type Running, systemClock } from '@holdfast/core'
import type { Queue } from '@holdfast/queue'
import type { Uplink } from '@holdfast/uplink'
import type { UploadState, Uploads } from './uploads.ts'

/** How far a shipper is. */
export interface Progress {
  /** Lines accepted by the collector since this process began. */
  shipped: number
  /** Lines in the queue. */
  waiting: number
  /** Lines in the dead letter. */
  dead: number
  /** Requests that failed and were followed by another. */
  retries: number
  /** Whether the collector is being spared after too many failures. */
  circuitOpen: boolean
  upload?: UploadState
}

export type Report = (progress: Progress) => void

export interface ProgressOptions {
  lines: Queue<unknown>
  uplink: Uplink
  uploads: Uploads
  report: Report
  clock?: Clock
}

/** Reports ten times a second, and a last time at the end. */
export function startProgress({
  lines,
  uplink,
  uploads,
  report,
  clock = systemClock,
}: ProgressOptions): Running {
  const stop = new AbortController()
  const exited = tell()
  return { exited, close, [Symbol.asyncDispose]: close }

  async function tell(): Promise<void> {
    while (!stop.signal.aborted) {
      report(look())
      await clock.sleep(100, stop.signal)
    }
  }

  function look(): Progress {
    const { ready, delayed, inFlight, dead } = lines.size
    const stats = uplink.stats?.() ?? {}
    const value = (name: string): number => stats[name]?.value ?? 0
    return {
      shipped: value('uplink_messages_total'),
      waiting: ready + delayed + inFlight,
      dead,
      retries: value('uplink_retries_total'),
      circuitOpen: value('uplink_circuit_open') === 1,
      ...(uploads.latest ? { upload: { ...uploads.latest } } : {}),
    }
  }

  async function close(): Promise<void> {
    stop.abort()
    await exited
    report(look())
  }
}
