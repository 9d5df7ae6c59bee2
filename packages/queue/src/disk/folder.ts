import { access, constants, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, isHoldfastError } from '@holdfast/core'
import { Level } from 'level'
import { queueError } from '../errors.ts'
import { type Database, isCorruption } from '../store/database.ts'
import type { Medium } from '../store/medium.ts'
import { isDiskFull } from '../store/store.ts'
import type { Recovery } from '../types.ts'
import { type Ballast, createBallast, removeBallast } from './ballast.ts'
import { checkTables } from './blocks.ts'
import { openLevel } from './level.ts'
import { createMarker } from './marker.ts'

export interface FolderOptions {
  /** The folder's real path. */
  path: string
  ballastBytes: number
  onCorruption: 'quarantine' | 'fail'
  createIfMissing: boolean
  clock: Clock
}

const regainEveryMs = 1_000

/** LevelDB's own files. */
const dataFile = /^(?:\d+\.(?:log|ldb|sst)|MANIFEST-\d+|CURRENT)$/

/** The types of `level` are those that it shares with browsers; on Node it is `classic-level`. */
const { repair } = Level as unknown as { repair(path: string): Promise<void> }

/** A LevelDB in a folder. Side files of ours in there are named `holdfast.*`; a copy opens without them. */
export function createFolder(options: FolderOptions): Medium {
  const { path, clock, createIfMissing } = options
  const marker = createMarker(path)
  const recovery = { unclean: false, repaired: false, quarantined: [] as string[] }
  let ballast: Ballast | undefined
  let unlock = async (): Promise<void> => undefined
  let nextRegainAt = Number.NEGATIVE_INFINITY
  return {
    open,
    reopen,
    regainSpace,
    close,
    recovery: recovery as Recovery,
    isLowOnSpace: () => ballast?.isReleased() ?? false,
  }

  async function open(): Promise<Database> {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK).catch((cause: unknown) => {
      const problem = `${path} cannot be read and written; check its owner and mode.`
      throw queueError('QUEUE_UNREADABLE', problem, { cause })
    })
    try {
      return await start()
    } catch (error) {
      if (!isDiskFull(error)) throw openError(error)
      await removeBallast(path)
    }
    return await start().catch((error: unknown) => {
      throw openError(error)
    })
  }

  async function start(): Promise<Database> {
    const own = await lock()
    try {
      await checkFiles()
      if (await marker.wasAborted()) await quarantineTables('finished')
      await marker.set()
      const database = await openOrRecover()
      ballast = await createBallast(path, options.ballastBytes)
      await marker.opened()
      unlock = () => own.close()
      return database
    } catch (error) {
      await own.close()
      throw error
    }
  }

  /**
   * An empty database beside ours, opened first, for its lock: before anything is
   * renamed in here it must be certain that no other process is at work in it.
   */
  async function lock(): Promise<Level> {
    const own = new Level(join(path, 'holdfast.lock'))
    try {
      await own.open()
      return own
    } catch (error) {
      if (!isCorruption(error)) throw error
    }
    await rm(join(path, 'holdfast.lock'), { recursive: true })
    await own.open()
    return own
  }

  async function checkFiles(): Promise<void> {
    const files = await readdir(path)
    if (files.includes('CURRENT')) return
    if (!createIfMissing)
      throw queueError('QUEUE_MISSING', `There is no queue in ${path}; check the path, or let it be created.`)
    const strays = files.filter((file) => dataFile.test(file))
    if (strays.length > 0) await setAside(strays, 'there are data files, but no CURRENT that names them')
  }

  async function openOrRecover(): Promise<Database> {
    try {
      return await openLevel(path, createIfMissing)
    } catch (error) {
      if (!isCorruption(error)) throw error
      refuseIfAsked('the database is corrupt', error)
    }
    recovery.repaired = true
    try {
      await repair(path)
      return await openLevel(path, createIfMissing)
    } catch (error) {
      const files = await readdir(path)
      await setAside(
        files.filter((file) => dataFile.test(file)),
        'LevelDB cannot repair it',
        error,
      )
      return await openLevel(path, createIfMissing)
    }
  }

  function openError(cause: unknown): unknown {
    if (isHoldfastError(cause)) return cause
    const code = (cause as { cause?: { code?: string } }).cause?.code
    if (code === 'LEVEL_LOCKED')
      return queueError('QUEUE_LOCKED', `${path} is open in another process; one process owns a queue.`, {
        cause,
      })
    if (isDiskFull(cause))
      return queueError('QUEUE_DISK_FULL', `There is no room on the disk to open ${path}.`, { cause })
    return queueError('QUEUE_UNREADABLE', `${path} cannot be opened as a database.`, { cause })
  }

  async function quarantineTables(which: 'finished' | 'all'): Promise<void> {
    const damaged = await checkTables(path, which)
    if (damaged.length > 0) await setAside(damaged, 'blocks of these tables are damaged')
  }

  async function setAside(files: readonly string[], why: string, cause?: unknown): Promise<void> {
    refuseIfAsked(`${why}: ${files.join(', ')}`, cause)
    const folder = `holdfast.quarantine-${Math.floor(clock.wall())}`
    await mkdir(join(path, folder), { recursive: true })
    for (const file of files) {
      await rename(join(path, file), join(path, folder, file))
      recovery.quarantined.push(join(folder, file))
    }
  }

  function refuseIfAsked(what: string, cause: unknown): void {
    if (options.onCorruption === 'quarantine') return
    throw queueError('QUEUE_CORRUPT', `${path}: ${what}. Open it with onCorruption: 'quarantine' to go on.`, {
      cause,
    })
  }

  async function reopen(error: Error): Promise<Database> {
    if (isDiskFull(error)) await ballast?.release()
    if (!isCorruption(error)) return await openLevel(path, createIfMissing)
    // A table that compaction cannot read stops all writing, each time anew.
    await quarantineTables('all')
    return await openOrRecover()
  }

  async function regainSpace(): Promise<void> {
    if (clock.now() < nextRegainAt) return
    nextRegainAt = clock.now() + regainEveryMs
    await ballast?.restore()
  }

  async function close(healthy: boolean): Promise<void> {
    if (healthy) await marker.clear()
    await unlock()
  }
}
