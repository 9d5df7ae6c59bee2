import { coordinationError } from '../errors.ts'
import { selects } from '../keys.ts'
import { createPull, type Pull } from '../pull.ts'
import type { Selection, WatchBatch } from '../store.ts'
import { copyEvent } from './copy.ts'
import type { History } from './history.ts'

/** One open watch: a cursor on the history, which it reads as fast as its reader asks. */
export interface Watcher {
  readonly batches: Pull<WatchBatch>
  /** Revisions before `upTo` are about to go: takes over what is not read yet, or breaks where that is more than `maxBatches`. */
  keepBefore(upTo: number, maxBatches: number): void
}

export interface WatcherOptions {
  history: History
  clusterId: string
  selection: Selection
  fromRevision: number
  onEnd: (watcher: Watcher) => void
}

export function createWatcher(options: WatcherOptions): Watcher {
  const { history, clusterId, selection, onEnd } = options
  const kept: WatchBatch[] = []
  let cursor = options.fromRevision
  const watcher: Watcher = {
    batches: createPull(
      () => kept.shift() ?? read(history.revision),
      () => onEnd(watcher),
    ),
    keepBefore,
  }
  return watcher

  /** The next revision up to `last` that has selected events. */
  function read(last: number): WatchBatch | undefined {
    while (cursor <= last) {
      const revision = cursor
      cursor += 1
      const events = history
        .eventsAt(revision)
        .filter((event) => selects(selection, event.kind === 'put' ? event.entry.key : event.key))
      if (events.length > 0) return { clusterId, revision, events: events.map(copyEvent) }
    }
    return undefined
  }

  function keepBefore(upTo: number, maxBatches: number): void {
    for (let batch = read(upTo); batch; batch = read(upTo)) kept.push(batch)
    if (kept.length > maxBatches) watcher.batches.end(compacted(cursor - 1, upTo))
  }
}

export function compacted(revision: number, compactRevision: number): Error {
  return coordinationError(
    'WATCH_COMPACTED',
    `revision ${revision} is gone, history is kept from ${compactRevision}: read the present and go on from there`,
    { fields: { revision, compactRevision } },
  )
}
