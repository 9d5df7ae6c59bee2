import { access, mkdir, realpath } from 'node:fs/promises'
import { checkInteger, checkOneOf, checkString, systemClock } from '@holdfast/core'
import { createFolder } from './disk/folder.ts'
import { openFolders } from './disk/registry.ts'
import { queueError } from './errors.ts'
import { type Hub, openHub } from './hub.ts'
import { checkOptions } from './options.ts'
import type { Queue, QueueOptions } from './types.ts'

/**
 * Opens a durable queue in a folder, which LevelDB's files and a few named `holdfast.*` live in.
 *
 * It is at work when this resolves, whatever the last owner left: what can be
 * read is delivered, what cannot is set aside and told of in `recovery` and by
 * `lost`. One process owns a folder; another one gets `QUEUE_LOCKED`, and so
 * does a second open of the same name in this process. Other names share it.
 * Rejects with `QUEUE_UNREADABLE`, `QUEUE_DISK_FULL` or `QUEUE_FORMAT` where it
 * cannot start.
 */
export async function openQueue<T = unknown>(
  folder: string,
  options: QueueOptions<T> = {},
): Promise<Queue<T>> {
  checkString('folder', folder)
  checkOptions(options)
  const path = await makeFolder(folder, options.createIfMissing ?? true)
  const folders = openFolders() as Map<string, Promise<Hub>>
  for (let known = folders.get(path); known; known = folders.get(path)) {
    const hub = await known.catch(() => undefined)
    if (hub && folders.get(path) === known) return await hub.openQueue(options)
    if (folders.get(path) === known) folders.delete(path)
  }
  const opening = openFolder(path, options, folders)
  folders.set(path, opening)
  const hub = await opening.catch((error: unknown) => {
    if (folders.get(path) === opening) folders.delete(path)
    throw error
  })
  return await hub.openQueue(options)
}

async function openFolder<T>(
  path: string,
  options: QueueOptions<T>,
  folders: Map<string, Promise<Hub>>,
): Promise<Hub> {
  const { clock = systemClock, random = Math.random } = options
  const medium = createFolder({
    path,
    clock,
    ballastBytes: checkInteger('ballastBytes', options.ballastBytes ?? 8 * 2 ** 20, { min: 0 }),
    onCorruption: checkOneOf('onCorruption', options.onCorruption ?? 'quarantine', ['quarantine', 'fail']),
    createIfMissing: options.createIfMissing ?? true,
  })
  return await openHub({ medium, clock, random, place: path, onEmpty })

  /** Who opens it while it closes waits for that, and then finds it gone. */
  function onEmpty(closed: Promise<void>): void {
    const gone = closed.then(
      () => Promise.reject<Hub>(new Error('closed')),
      () => Promise.reject<Hub>(new Error('closed')),
    )
    folders.set(path, gone)
    gone.catch(() => folders.get(path) === gone && folders.delete(path))
  }
}

async function makeFolder(folder: string, createIfMissing: boolean): Promise<string> {
  try {
    if (createIfMissing) await mkdir(folder, { recursive: true })
    else await access(folder)
    return await realpath(folder)
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw isMissing
      ? queueError('QUEUE_MISSING', `${folder} does not exist; check the path, or let it be created.`, {
          cause,
        })
      : queueError('QUEUE_UNREADABLE', `${folder} is not a folder that can be used.`, { cause })
  }
}
