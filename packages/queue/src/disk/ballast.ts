import { randomBytes } from 'node:crypto'
import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

const name = 'holdfast.ballast'
const chunkBytes = 65_536

/** A file that takes up room, to be given back when the disk is full. */
export interface Ballast {
  /** Whether it was given up after a full disk, and not made again. */
  isReleased(): boolean
  release(): Promise<void>
  /** Makes it again if there is room. */
  restore(): Promise<void>
}

export async function createBallast(folder: string, bytes: number): Promise<Ballast> {
  const path = join(folder, name)
  let isReleased = false
  await make()
  return {
    isReleased: () => isReleased,
    async release() {
      isReleased = true
      await removeBallast(folder)
    },
    async restore() {
      if (isReleased) isReleased = !(await make())
    },
  }

  /** All of it, or nothing. */
  async function make(): Promise<boolean> {
    const size = await stat(path).then(
      (found) => found.size,
      () => -1,
    )
    if (bytes === 0 || size === bytes) return true
    try {
      await write()
      return true
    } catch {
      // No room for it now. What there is goes to the data.
      await rm(path, { force: true })
      return false
    }
  }

  async function write(): Promise<void> {
    // Not zeros: a file system that compresses would keep no room for them.
    const chunk = randomBytes(chunkBytes)
    const file = await open(path, 'w')
    try {
      for (let at = 0; at < bytes; at += chunkBytes)
        await file.write(chunk, 0, Math.min(chunkBytes, bytes - at), at)
    } finally {
      await file.close()
    }
  }
}

/** Gives back the room of a ballast that nobody has open. */
export async function removeBallast(folder: string): Promise<void> {
  await rm(join(folder, name), { force: true })
}
