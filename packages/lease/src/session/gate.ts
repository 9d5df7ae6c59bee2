/** What many wait at until something has changed. */
export interface Gate {
  /** Resolves at the next `open()`, or when the signal aborts. */
  wait(signal: AbortSignal): Promise<void>
  open(): void
}

export function createGate(): Gate {
  const waiting = new Set<() => void>()
  return {
    async wait(signal) {
      if (signal.aborted) return
      await new Promise<void>((resolve) => {
        waiting.add(pass)
        signal.addEventListener('abort', pass, { once: true })
        function pass(): void {
          waiting.delete(pass)
          signal.removeEventListener('abort', pass)
          resolve()
        }
      })
    },
    open() {
      for (const pass of [...waiting]) pass()
    },
  }
}
