import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { SourceContext } from '../source.ts'

export interface FolderWatchOptions {
  readonly folder: string
  /** Whether an event on this name in the folder may matter. */
  readonly concerns: (name: string) => boolean
  /** Tells two versions apart, cheaply; never rejects. */
  readonly fingerprint: () => Promise<string>
  /** In milliseconds, > 0. */
  readonly pollMs: number
  readonly context: SourceContext
}

export interface FolderWatch {
  /** Resolves when every later change will be noticed, at the latest by the next poll. */
  readonly ready: Promise<void>
  close(): Promise<void>
}

/**
 * Wakes on what happens in a folder, and polls beside it.
 *
 * The folder is watched, never a file in it: a watch on a file follows the inode, and goes silent
 * when a ConfigMap's symlink or an editor's rename puts another in its place. The poll finds what
 * a watch misses (network disks, a symlink into another folder, no watches left), and watches
 * anew where the folder came later or was replaced.
 */
export function watchFolder(options: FolderWatchOptions): FolderWatch {
  const { folder, concerns, fingerprint, pollMs, context } = options
  const stop = new AbortController()
  let watcher: FSWatcher | undefined = begin()
  let watched: string | undefined
  let seen: string | undefined
  const ready = begun()
  const polling = ready.then(poll)
  return {
    ready,
    async close() {
      stop.abort()
      watcher?.close()
      await polling
    },
  }

  async function begun(): Promise<void> {
    watched = await identity(folder)
    seen = await fingerprint()
  }

  function begin(): FSWatcher | undefined {
    try {
      const started = watch(folder, { persistent: false }, (_, name) => {
        if (name === null || concerns(name)) context.wake()
      })
      return started.on('error', () => {
        started.close()
        watcher = undefined // until the next poll
      })
    } catch {
      return undefined // no such folder yet, or no watches left: the poll stands in, and tries again
    }
  }

  async function poll(): Promise<void> {
    while (!stop.signal.aborted) {
      await context.clock.sleep(pollMs, stop.signal)
      if (stop.signal.aborted) return
      await watchAnew()
      const found = await fingerprint()
      if (found !== seen) context.wake()
      seen = found
    }
  }

  async function watchAnew(): Promise<void> {
    const found = await identity(folder)
    if (stop.signal.aborted || (watcher && found === watched)) return
    watcher?.close()
    watcher = begin()
    watched = found
    if (watcher) context.wake()
  }
}

async function identity(path: string): Promise<string> {
  return fingerprintOf(path, ({ dev, ino }) => `${dev}:${ino}`)
}

/** What tells one version of a file from the next without reading it; the error's code where there is none. */
export async function fileFingerprint(path: string): Promise<string> {
  return fingerprintOf(path, ({ dev, ino, size, mtimeNs, ctimeNs }) =>
    [dev, ino, size, mtimeNs, ctimeNs].join(':'),
  )
}

async function fingerprintOf(
  path: string,
  of: (stats: import('node:fs').BigIntStats) => string,
): Promise<string> {
  try {
    return of(await stat(path, { bigint: true }))
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
