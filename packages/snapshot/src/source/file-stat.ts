import { type BigIntStats, constants } from 'node:fs'
import type { Attributes } from '../format/tree.ts'
import type { FileAttributes } from './source.ts'

/** How a file of a folder is opened: never through a symbolic link, and without waiting for who writes to a FIFO. */
export const openFlags: number = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

export function attributesOf(found: BigIntStats): Attributes {
  return {
    mode: Number(found.mode) & 0o7777,
    uid: Number(found.uid),
    gid: Number(found.gid),
    mtimeNs: found.mtimeNs.toString(),
  }
}

export function fileAttributes(found: BigIntStats): FileAttributes {
  const inode = `${found.dev}:${found.ino}`
  return {
    ...attributesOf(found),
    size: Number(found.size),
    ctimeNs: found.ctimeNs.toString(),
    inode,
    ...(found.nlink > 1n && { link: inode }),
    ...(found.blocks * 512n < found.size && { sparse: true }),
  }
}

/** Whether an open file, and what has its name now if anything has, are other than when it was opened. */
export function hasChanged(before: BigIntStats, after: BigIntStats, named: BigIntStats | undefined): boolean {
  return (
    after.size !== before.size ||
    after.mtimeNs !== before.mtimeNs ||
    // A changed name or number of links moves the ctime too: with the name gone, size and mtime must do.
    (named !== undefined && (named.ino !== before.ino || after.ctimeNs !== before.ctimeNs))
  )
}
