/**
 * Which folders this process has open, across all copies of this package.
 *
 * A second open of a folder in one process must never reach LevelDB: it would
 * fail, and closing its descriptor of the LOCK file would drop the lock of the
 * first one (POSIX record locks go with any descriptor of their file). The one
 * piece of state in this package that is the process's own, as that lock is.
 */
const key = Symbol.for('@holdfast/queue/open-folders')

/** Folders by their real path. What is shared is up to who put it there. */
export function openFolders(): Map<string, unknown> {
  const scope = globalThis as { [key]?: Map<string, unknown> }
  scope[key] ??= new Map()
  return scope[key]
}
