import { lstat, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder, syncFolder, uniqueId } from '../durable.ts'
import { snapshotError, systemCode } from '../errors.ts'
import { removeLeftovers, siblingOf } from './leftovers.ts'
import { targetError } from './target-error.ts'

/** Refuses a target that may not be replaced; resolves to whether anything is there. */
export async function checkTarget(goal: string, overwrite: 'never' | 'replace'): Promise<boolean> {
  const names = await readdir(goal).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return []
    if (systemCode(error) === 'ENOTDIR') return [goal]
    throw targetError(goal, error)
  })
  if (names.length === 0) return false
  if (overwrite === 'replace') return true
  throw snapshotError(
    'TARGET_EXISTS',
    `${goal} is there and not empty: choose another target, or overwrite: 'replace'`,
    {
      fields: { path: goal },
    },
  )
}

/** Makes an empty folder beside the goal, to restore into, and removes those of restores that died. */
export async function makeSibling(goal: string): Promise<string> {
  return atTarget(goal, async () => {
    await makeFolder(dirname(goal))
    await removeLeftovers(goal)
    const sibling = await siblingOf(goal)
    await mkdir(sibling, { mode: 0o700 })
    return sibling
  })
}

/** Puts the new folder in the goal's place. Between the two renames there is none; what was there is deleted last. */
export async function swap(sibling: string, goal: string): Promise<void> {
  const old = `${goal}.old-${uniqueId()}`
  await atTarget(goal, async () => {
    const replaces = await isThere(goal)
    if (replaces) await rename(goal, old)
    try {
      await rename(sibling, goal)
    } catch (error) {
      if (replaces) await rename(old, goal)
      throw error
    }
    await syncFolder(dirname(goal))
    if (replaces) await rm(old, { recursive: true, force: true })
  })
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false
    throw error
  }
}

async function atTarget<T>(goal: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    throw targetError(goal, error)
  }
}
