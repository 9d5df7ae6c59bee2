import type { Clock } from '@holdfast/core'

/** One deadline, the same for all, watched by one timer: for many short waits at once. */
export interface Deadlines<T> {
  /** From now on. Settle the item to forget it. */
  add(item: T): void
  /** Forgets all, and leaves no timer. */
  clear(): void
}

export interface DeadlinesOptions<T> {
  timeoutMs: number
  clock: Clock
  /** Called once for an item that was not settled in time. */
  onOverdue(item: T): void
}

export function createDeadlines<T extends { readonly settled: boolean }>({
  timeoutMs,
  clock,
  onOverdue,
}: DeadlinesOptions<T>): Deadlines<T> {
  let waits: { item: T; dueMs: number }[] = []
  let watching: AbortController | undefined

  return {
    add(item) {
      waits.push({ item, dueMs: clock.now() + timeoutMs })
      if (!watching) void watch()
    },
    clear() {
      waits = []
      watching?.abort()
      watching = undefined
    },
  }

  async function watch(): Promise<void> {
    const own = new AbortController()
    watching = own
    for (let next = oldest(); next; next = oldest()) {
      await clock.sleep(next.dueMs - clock.now(), own.signal)
      if (own.signal.aborted) return
      for (const { item } of takeDue()) if (!item.settled) onOverdue(item)
    }
    if (watching === own) watching = undefined
  }

  function oldest(): { dueMs: number } | undefined {
    return waits.find(({ item }) => !item.settled)
  }

  function takeDue(): { item: T }[] {
    const nowMs = clock.now()
    const later = waits.findIndex(({ dueMs }) => dueMs > nowMs)
    return waits.splice(0, later < 0 ? waits.length : later)
  }
}
