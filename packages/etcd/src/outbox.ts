import type { Clock } from '@holdfast/core'

/** Writes what comes at short intervals in groups: many messages in one packet cost less than half of what they do alone. */
export interface Outbox<T> {
  /** At once where nothing was written lately, else with the next group. */
  send(message: T): void
  /** Forgets what was not written, and leaves no timer. */
  clear(): void
}

export interface OutboxOptions<T> {
  /** The longest that a message waits, unless more come than can be sent. */
  gatherMs: number
  clock: Clock
  write(message: T): void
}

/** Of a mass, so many or a quarter are handed over at once: grpc-js copies all that wait behind a message when it is sent. */
const portion = 250
const overflowMs = 10

export function createOutbox<T>({ gatherMs, clock, write }: OutboxOptions<T>): Outbox<T> {
  let waiting: T[] = []
  let gathering: AbortController | undefined

  return {
    send(message) {
      if (gathering) waiting.push(message)
      else {
        write(message)
        gathering = new AbortController()
        void gather(gathering.signal)
      }
    },
    clear() {
      waiting = []
      gathering?.abort()
      gathering = undefined
    },
  }

  async function gather(stop: AbortSignal): Promise<void> {
    do {
      for (const message of waiting.splice(0, Math.max(portion, waiting.length / 4))) write(message)
      await clock.sleep(waiting.length > 0 ? overflowMs : gatherMs, stop)
      if (stop.aborted) return
    } while (waiting.length > 0)
    gathering = undefined
  }
}
