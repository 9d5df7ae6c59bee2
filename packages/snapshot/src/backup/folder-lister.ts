import type { Listing } from '../source/listing.ts'
import type { Threads } from '../threads/thread.ts'

/** So few entries are not worth a thread's start. */
const leastEntries = 3_000

/** Reads folders in threads: calls that wait cost a third of the others, and the rest of the agent goes on meanwhile. */
export interface FolderLister {
  /** Resolves to undefined where no thread is worth it or there is none, and for what does not go smoothly. */
  list(path: string): Promise<Listing | undefined>
  /** So many entries more are in the source. */
  saw(entries: number): void
}

export function createFolderLister(threads: Threads): FolderLister {
  let seen = 0
  return {
    list,
    saw(entries) {
      seen += entries
    },
  }

  async function list(path: string): Promise<Listing | undefined> {
    if (threads.count === 0 || (seen < leastEntries && !threads.started)) return undefined
    // Where a thread died, the source reads by itself.
    const asked = threads.leastBusy().ask({ kind: 'list', path })
    const answer = await asked.catch(() => undefined)
    return answer === undefined ? undefined : (JSON.parse(answer) ?? undefined)
  }
}
