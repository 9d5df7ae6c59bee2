/** Runs tasks at the same time, a bounded number of them; the first failure ends it for all who wait. */
export interface Lanes {
  /** Resolves when the task has begun, after waiting for a lane; rejects once any task has failed. */
  begin(task: () => Promise<void>): Promise<void>
  /** Resolves when all that began have ended; rejects with the first failure. */
  idle(): Promise<void>
}

/** `width` tasks at a time, ≥ 1. */
export function createLanes(width: number): Lanes {
  if (!(width >= 1)) throw new RangeError(`width must be at least 1, got ${width}`) // Else all would wait for good.
  const running = new Set<Promise<void>>()
  let failure: { error: unknown } | undefined
  return { begin, idle }

  async function begin(task: () => Promise<void>): Promise<void> {
    while (running.size >= width) await Promise.race(running)
    if (failure) throw failure.error
    const run: Promise<void> = task()
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => running.delete(run))
    running.add(run)
  }

  async function idle(): Promise<void> {
    while (running.size > 0) await Promise.all(running)
    if (failure) throw failure.error
  }
}
