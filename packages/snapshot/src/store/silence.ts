import type { Clock } from '@holdfast/core'

/** Watches over an exchange that may last as long as it likes, if only it does not fall silent. */
export interface Silence {
  /** Aborts after the silence, and when the caller's own signal does, with that one's reason. */
  readonly signal: AbortSignal
  /** Tells that something has moved. */
  heard(): void
  end(): void
}

export function watch(options: {
  silenceMs: number
  clock: Clock
  signal: AbortSignal | undefined
}): Silence {
  const { silenceMs, clock, signal } = options
  const scope = new AbortController()
  const ended = new AbortController()
  const forward = (): void => scope.abort(signal?.reason)
  signal?.addEventListener('abort', forward, { once: true })
  let heardMs = clock.now()
  void listen()
  return {
    signal: scope.signal,
    heard: () => {
      heardMs = clock.now()
    },
    end: () => {
      ended.abort('ended') // With a reason, so that no DOMException with its stack is made each time.
      signal?.removeEventListener('abort', forward)
    },
  }

  async function listen(): Promise<void> {
    for (;;) {
      await clock.sleep(heardMs + silenceMs - clock.now(), ended.signal)
      if (ended.signal.aborted) return
      if (clock.now() - heardMs >= silenceMs) return scope.abort('silent')
    }
  }
}
