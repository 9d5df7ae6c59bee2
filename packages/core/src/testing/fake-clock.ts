import type { Clock } from '../clock.ts'

/** A clock that stands still until a test moves it. */
export interface FakeClock extends Clock {
  /**
   * Lets `ms` milliseconds pass. Each sleeper wakes at exactly its time, in
   * order of time and then of call, and all that follows from its waking
   * without real I/O is over before the next one wakes; sleeps that begin
   * meanwhile count. Resolves when the last one due has been served.
   */
  advance(ms: number): Promise<void>
  /** The event loop blocks for `ms`: time has passed at once, and who slept wakes in a later turn. */
  stall(ms: number): void
  /** The host is suspended for `ms`: `wall` and `uptime` go on, `now` and every sleeper stand still. */
  suspend(ms: number): void
  /** Sets the wall clock, as an operator or NTP would. Nothing else moves. */
  setWall(ms: number): void
  /** How many sleeps have not ended. */
  readonly sleepers: number
}

export interface FakeClockOptions {
  /** What `now()` starts from. @default 0 */
  now?: number
  /** What `wall()` starts from. @default 2026-01-01T00:00:00Z */
  wall?: number
}

interface Sleeper {
  due: number
  wake: () => void
}

export function createFakeClock(options: FakeClockOptions = {}): FakeClock {
  let now = options.now ?? 0
  let wallOffset = (options.wall ?? Date.UTC(2026, 0, 1)) - now
  let suspended = 0
  let moving = Promise.resolve()
  const bootedBefore = 3_600_000
  const sleepers = new Set<Sleeper>()

  return {
    now: () => now,
    wall: () => now + wallOffset,
    uptime: () => Math.floor((bootedBefore + now + suspended) / 10) * 10,
    sleep,
    advance(ms) {
      if (!(ms >= 0 && ms < Number.POSITIVE_INFINITY))
        throw new RangeError(`advance: ms must be ≥ 0 and finite, got ${ms}`)
      moving = moving.then(() => move(ms))
      return moving
    },
    stall(ms) {
      now += ms
      moving = moving.then(() => move(0))
    },
    suspend(ms) {
      suspended += ms
      wallOffset += ms
    },
    setWall(ms) {
      wallOffset = ms - now
    },
    get sleepers() {
      return sleepers.size
    },
  }

  async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (Number.isNaN(ms)) throw new RangeError('sleep: ms must be a number, got NaN')
    if (signal?.aborted) return
    await new Promise<void>((resolve) => {
      const sleeper = { due: now + Math.max(0, ms), wake: finish }
      sleepers.add(sleeper)
      signal?.addEventListener('abort', finish, { once: true })
      function finish(): void {
        sleepers.delete(sleeper)
        signal?.removeEventListener('abort', finish)
        resolve()
      }
    })
  }

  async function move(ms: number): Promise<void> {
    const end = now + ms
    await eventLoopTurn()
    for (let next = earliest(end); next; next = earliest(end)) {
      now = Math.max(now, next.due)
      next.wake()
      await eventLoopTurn()
    }
    now = Math.max(now, end)
  }

  function earliest(end: number): Sleeper | undefined {
    let first: Sleeper | undefined
    for (const sleeper of sleepers)
      if (sleeper.due <= end && (!first || sleeper.due < first.due)) first = sleeper
    return first
  }
}

/** Lets every microtask, and all that they cause without real I/O, run. */
function eventLoopTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
