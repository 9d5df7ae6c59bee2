import type { Clock } from '@holdfast/core'

/** One timer for many: rings at the earliest time that was asked for. */
export interface Alarm {
  /** Asks for a ring at this monotonic time at the latest. A ring may come early: look at what is due. */
  at(time: number): void
  stop(): void
}

export function createAlarm(clock: Clock, ring: () => void): Alarm {
  let armedFor = Number.POSITIVE_INFINITY
  let sleep = new AbortController()
  return { at, stop }

  function at(time: number): void {
    if (time >= armedFor) return
    sleep.abort()
    sleep = new AbortController()
    armedFor = time
    void wait(time, sleep.signal)
  }

  async function wait(time: number, signal: AbortSignal): Promise<void> {
    await clock.sleep(time - clock.now(), signal)
    if (signal.aborted) return
    armedFor = Number.POSITIVE_INFINITY
    ring()
  }

  function stop(): void {
    armedFor = Number.NEGATIVE_INFINITY
    sleep.abort()
  }
}
