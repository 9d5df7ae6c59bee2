import type { Clock } from '@holdfast/core'
import type { Outcome } from './outcome.ts'

/** The deadlines of one run of an agent, however many, on a single sleep of the clock. */
export interface Deadlines {
  /** Waits for an outcome, for at most `ms` milliseconds or until the signal aborts. */
  within<T>(outcome: Promise<Outcome<T>>, ms: number, signal?: AbortSignal): Promise<Outcome<T>>
  /** Calls back after `ms` milliseconds, unless it is called off. */
  after(ms: number, callback: () => void): () => void
  /** Ends all that is waited for, and leaves what follows no time but a turn of the event loop. */
  cut(): void
  /** Gives back the clock: nothing is called any more. */
  end(): void
}

interface Deadline {
  readonly due: number
  readonly fire: () => void
}

export function createDeadlines(clock: Clock): Deadlines {
  const waited = new Set<Deadline>()
  const called = new Set<Deadline>()
  let isCut = false
  /** The sleep under way. It is left to run when its deadline is met: most are. */
  let asleep: { readonly due: number; readonly alarm: AbortController } | undefined

  return { within, after, cut, end }

  function within<T>(outcome: Promise<Outcome<T>>, ms: number, signal?: AbortSignal): Promise<Outcome<T>> {
    if (signal?.aborted) return Promise.resolve({ kind: 'overrun' })
    return new Promise((resolve) => {
      const settle = (result: Outcome<T>): void => {
        waited.delete(deadline)
        signal?.removeEventListener('abort', fire)
        resolve(result)
      }
      const fire = (): void => settle({ kind: 'overrun' })
      const deadline = { due: clock.now() + (isCut ? 0 : ms), fire }
      waited.add(deadline)
      signal?.addEventListener('abort', fire, { once: true })
      void outcome.then(settle)
      arm(deadline.due)
    })
  }

  function after(ms: number, callback: () => void): () => void {
    const deadline = {
      due: clock.now() + ms,
      fire: () => {
        called.delete(deadline)
        callback()
      },
    }
    called.add(deadline)
    arm(deadline.due)
    return () => {
      called.delete(deadline)
    }
  }

  function cut(): void {
    isCut = true
    for (const { fire } of waited) fire()
  }

  function end(): void {
    waited.clear()
    called.clear()
    asleep?.alarm.abort()
  }

  function arm(due: number): void {
    if (due === Number.POSITIVE_INFINITY || (asleep && asleep.due <= due)) return
    asleep?.alarm.abort()
    const own = { due, alarm: new AbortController() }
    asleep = own
    void clock.sleep(due - clock.now(), own.alarm.signal).then(() => {
      if (asleep === own) wake()
    })
  }

  function wake(): void {
    asleep = undefined
    const now = clock.now()
    const due = [...waited, ...called].filter((deadline) => deadline.due <= now)
    for (const deadline of due.sort((one, other) => one.due - other.due))
      if (waited.has(deadline) || called.has(deadline)) deadline.fire()
    for (const deadline of [...waited, ...called]) arm(deadline.due)
  }
}
