import { type Clock, checkFunction, checkNumber, withTimeout } from '@holdfast/core'
import { snapshotError } from '../errors.ts'
import { unreadable } from './directory.ts'
import type { OpenSource, Source, SourceOptions } from './source.ts'

export interface BracketOptions<T> {
  /** Makes the state stand still: freezes, or makes an LVM, ZFS or btrfs snapshot; tells what was made. */
  acquire: (signal: AbortSignal) => Promise<T>
  /** What to back up meanwhile, such as `directory(mountPoint)`. */
  source: (acquired: T) => Source
  /** Undoes `acquire`. Called exactly once for each `acquire` that resolved, however late. */
  release: (acquired: T) => Promise<void>
  /** For `acquire`, in milliseconds. @default 30_000 */
  acquireTimeoutMs?: number
  /** It is not held any longer than this, in milliseconds: then it is released and the backup fails. @default Infinity */
  holdMs?: number
}

/**
 * A source between two hooks.
 *
 * A process that froze a file system it writes to cannot be relied on to thaw it: have
 * `acquire` start another process that thaws by itself after a while.
 */
export function bracket<T>(options: BracketOptions<T>): Source {
  const { acquireTimeoutMs = 30_000, holdMs = Number.POSITIVE_INFINITY } = options
  for (const hook of ['acquire', 'source', 'release'] as const) checkFunction(hook, options[hook])
  checkNumber('acquireTimeoutMs', acquireTimeoutMs, { min: 0, max: Number.POSITIVE_INFINITY })
  checkNumber('holdMs', holdMs, { min: 0, max: Number.POSITIVE_INFINITY })
  return {
    kind: 'bracket',
    description: 'the bracket',
    async open(given) {
      const acquired = await acquireInTime(given)
      try {
        return await held(acquired, given)
      } catch (error) {
        await options.release(acquired)
        throw error
      }
    },
  }

  async function acquireInTime({ clock, signal }: SourceOptions): Promise<T> {
    let givenUp = false
    const acquire = async (scope: AbortSignal): Promise<T> => {
      const acquired = await options.acquire(scope)
      if (givenUp) await options.release(acquired) // It came late: nobody else will.
      return acquired
    }
    const onTimeout = (): Error =>
      unreadable('the bracket', new Error(`acquire took over ${acquireTimeoutMs} ms`))
    try {
      return await withTimeout(acquire, { timeoutMs: acquireTimeoutMs, onTimeout, signal, clock })
    } catch (error) {
      givenUp = true
      throw error
    }
  }

  async function held(acquired: T, given: SourceOptions): Promise<OpenSource> {
    const inner = await options.source(acquired).open(given)
    const lost = new AbortController()
    const ended = new AbortController()
    const release = once(() => options.release(acquired))
    const watching = watch(given.clock, lost, ended.signal, release)
    const signals = [lost.signal, inner.lost].filter((signal) => signal !== undefined)
    return {
      ...inner,
      lost: AbortSignal.any(signals),
      close: async () => {
        ended.abort()
        try {
          await inner.close()
        } finally {
          await watching
          await release()
        }
      },
    }
  }

  async function watch(
    clock: Clock,
    lost: AbortController,
    ended: AbortSignal,
    release: () => Promise<void>,
  ): Promise<void> {
    await clock.sleep(holdMs, ended)
    if (ended.aborted) return
    lost.abort(
      snapshotError(
        'SOURCE_UNSTABLE',
        `the bracket was held for ${holdMs} ms and is released: allow more, or back up less`,
      ),
    )
    // What goes wrong here is told by `close`, which waits for the same promise.
    await release().catch(() => undefined)
  }
}

function once(act: () => Promise<void>): () => Promise<void> {
  let acting: Promise<void> | undefined
  return () => {
    acting ??= act()
    return acting
  }
}
