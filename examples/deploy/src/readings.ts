import { freemem, loadavg, totalmem } from 'node:os'
import { type Running, systemClock } from '@holdfast/core'

/** One reading of this machine. */
export interface Reading {
  readonly at: number
  readonly site: string
  readonly load1: number
  readonly memoryUsedBytes: number
}

export interface ReadingsOptions {
  /** Asked before each reading: settings may have changed. */
  readonly settings: () => { readonly site: string; readonly sampleMs: number }
  /** Resolves once the reading can no longer be lost. */
  readonly accept: (reading: Reading) => Promise<unknown>
}

/** Reads this machine again and again until closed. */
export function startReadings({ settings, accept }: ReadingsOptions): Running {
  const stop = new AbortController()
  const exited = read()
  return { exited, close, [Symbol.asyncDispose]: close }

  async function read(): Promise<void> {
    while (!stop.signal.aborted) {
      const { site, sampleMs } = settings()
      await accept({
        at: Date.now(),
        site,
        load1: loadavg()[0] ?? 0,
        memoryUsedBytes: totalmem() - freemem(),
      })
      await systemClock.sleep(sampleMs, stop.signal)
    }
  }

  async function close(): Promise<void> {
    stop.abort()
    await exited
  }
}
