import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const name = 'holdfast.opening'
/** Ends in a row without a clean close, after which the tables are checked, for that is what a table that aborts the process looks like. */
const suspiciousEnds = 3

/**
 * A file that says that an open is under way, or a run that was not closed.
 *
 * LevelDB 1.20 aborts the process when it meets certain damage, such as a
 * block of zeros. Nobody can catch that; the next open can know it.
 */
export interface Marker {
  /** Whether former runs ended as they would if a table aborted them. */
  wasAborted(): Promise<boolean>
  set(): Promise<void>
  /** The open went well; the run goes on. */
  opened(): Promise<void>
  clear(): Promise<void>
}

export function createMarker(folder: string): Marker {
  const path = join(folder, name)
  let ends = 0
  return {
    async wasAborted() {
      const text = await readFile(path, 'utf8').catch(() => '')
      if (text === '') return false
      ends = (Number.parseInt(text.slice(text.indexOf(' ') + 1), 10) || 0) + 1
      const isSuspicious = text.startsWith('opening') || ends >= suspiciousEnds
      if (isSuspicious) ends = 0
      return isSuspicious
    },
    set: async () => await writeFile(path, `opening ${ends}`),
    opened: async () => await writeFile(path, `running ${ends}`),
    clear: async () => await rm(path, { force: true }),
  }
}
