import { appendFile } from 'node:fs/promises'
import { type Clock, type Running, systemClock } from '@holdfast/core'
import { type HostSample, readHost } from './host-metrics.ts'

export interface SamplerOptions {
  /** Asked before each reading; undefined while there is to be none. */
  intervalMs(): number | undefined
  /** Names this process's readings: no two processes may share it. */
  process: string
  /** Takes a reading for good before it resolves. */
  accept(observation: string, sample: HostSample): Promise<unknown>
  /** Where the name of each accepted reading is written down, for an auditor. */
  ledger: string
  clock?: Clock
}

/** Reads this machine again and again, and keeps a ledger of what was accepted. */
export function startSampler(options: SamplerOptions): Running {
  const { intervalMs, accept, ledger, clock = systemClock } = options
  const stop = new AbortController()
  const exited = sample()
  return { exited, close, [Symbol.asyncDispose]: close }

  async function sample(): Promise<void> {
    for (let count = 1; !stop.signal.aborted; ) {
      const pauseMs = intervalMs()
      if (pauseMs !== undefined) {
        const observation = `host:${options.process}:${count++}`
        await accept(observation, readHost())
        await appendFile(ledger, `${observation}\n`)
      }
      await clock.sleep(pauseMs ?? 20, stop.signal)
    }
  }

  async function close(): Promise<void> {
    stop.abort()
    await exited
  }
}
