/** Callers that wait for a read sent after their call to be proven. */
export interface Confirms {
  /** Resolves once a read with a higher number than `after` is proven. */
  wait(after: number, signal: AbortSignal | undefined): Promise<void>
  /** The read of this number, and so all before it, is proven. */
  proven(number: number): void
  /** No read up to this number will be proven. */
  failed(number: number, error: unknown): void
}

interface Waiter {
  readonly after: number
  settle(error?: unknown): void
}

export function createConfirms(): Confirms {
  const waiters = new Set<Waiter>()
  return {
    wait,
    proven: (number) => settle(number),
    failed: settle,
  }

  async function wait(after: number, signal: AbortSignal | undefined): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => waiter.settle(signal?.reason)
      const waiter: Waiter = {
        after,
        settle(error) {
          waiters.delete(waiter)
          signal?.removeEventListener('abort', abort)
          if (error === undefined) resolve()
          else reject(error)
        },
      }
      waiters.add(waiter)
      signal?.addEventListener('abort', abort, { once: true })
    })
  }

  function settle(number: number, error?: unknown): void {
    for (const waiter of [...waiters]) if (waiter.after < number) waiter.settle(error)
  }
}
