/** An async iterator that pulls from a state which changes behind it. */
export interface Pull<T> extends AsyncIterableIterator<T> {
  /** Something may be there to take. */
  wake(): void
  /** Ends it at once, with an error for its reader if one is given. The first call counts. */
  end(error?: unknown): void
}

/**
 * Iterates over what `take` returns, waiting while that is undefined. Buffers nothing itself.
 *
 * `onEnd` is called once, whoever ends it. Several `next()` may wait; they are served in order.
 */
export function createPull<T>(take: () => T | undefined, onEnd: () => void = () => {}): Pull<T> {
  let waiting: (() => void)[] = []
  let ended = false
  let failure: { error: unknown } | undefined

  const pull: Pull<T> = {
    next,
    wake,
    end,
    return: async () => {
      end()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]: () => pull,
  }
  return pull

  async function next(): Promise<IteratorResult<T>> {
    for (; !ended; await new Promise<void>((resolve) => waiting.push(resolve))) {
      const value = take()
      if (value !== undefined) return { done: false, value }
      if (ended) break
    }
    if (!failure) return { done: true, value: undefined }
    const { error } = failure
    failure = undefined
    throw error
  }

  function wake(): void {
    const woken = waiting
    waiting = []
    for (const resolve of woken) resolve()
  }

  function end(error?: unknown): void {
    if (ended) return
    ended = true
    if (error !== undefined) failure = { error }
    onEnd()
    wake()
  }
}
