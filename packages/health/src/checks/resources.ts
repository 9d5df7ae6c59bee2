import { statfs } from 'node:fs/promises'
import { getHeapStatistics } from 'node:v8'
import { checkFunction, checkNumber, checkString } from '@holdfast/core'
import type { Check, CheckOptions, Observation } from '../check.ts'
import { healthError } from '../errors.ts'

export interface DiskSpaceCheckOptions extends CheckOptions {
  readonly name: string
  /** Any path on the file system in question; it must exist. */
  readonly path: string
  /** Fails with less free space for unprivileged writers than this, in bytes, ≥ 0. */
  readonly minFreeBytes: number
  /** Warns with less than this, in bytes, ≥ `minFreeBytes`. @default 2 × minFreeBytes */
  readonly warnFreeBytes?: number
}

/** Passes while a file system has room; warns before it has not. */
export function diskSpaceCheck(options: DiskSpaceCheckOptions): Check {
  const { path, minFreeBytes, warnFreeBytes = 2 * minFreeBytes, ...check } = options
  checkString('path', path)
  checkNumber('minFreeBytes', minFreeBytes, { min: 0 })
  checkNumber('warnFreeBytes', warnFreeBytes, { min: minFreeBytes })
  return { ...check, run }

  async function run(): Promise<Observation> {
    const { bavail, bsize } = await statfs(path)
    const free = bavail * bsize
    if (free >= minFreeBytes) return { value: free, unit: 'bytes', warn: free < warnFreeBytes }
    throw healthError(
      'CHECK_FAILED',
      `${free} bytes are free, at least ${minFreeBytes} are needed; delete something, or grow the disk`,
      {
        fields: { free, minFreeBytes },
      },
    )
  }
}

/** What a process uses, in bytes. */
export interface MemoryUse {
  readonly rssBytes: number
  readonly heapBytes: number
  /** What V8 will not grow beyond. */
  readonly heapLimitBytes: number
}

export interface MemoryCheckOptions extends CheckOptions {
  readonly name: string
  /** Fails above this resident size, in bytes, > 0. @default no limit */
  readonly maxRssBytes?: number
  /** Fails when the heap fills more than this share of its limit, 0 to 1. @default 0.95 */
  readonly maxHeapShare?: number
  /** @default what V8 and the kernel say */
  readonly read?: () => MemoryUse
}

/** Passes while this process has memory left. Looks at this process alone, so it may be a `live` check. */
export function memoryCheck(options: MemoryCheckOptions): Check {
  const { maxRssBytes = Number.MAX_VALUE, maxHeapShare = 0.95, read = memoryUse, ...check } = options
  checkNumber('maxRssBytes', maxRssBytes, { min: 1 })
  checkNumber('maxHeapShare', maxHeapShare, { min: 0, max: 1 })
  checkFunction('read', read)
  return { ...check, scope: 'process', run }

  async function run(): Promise<Observation> {
    const { rssBytes, heapBytes, heapLimitBytes } = read()
    if (rssBytes > maxRssBytes)
      throw healthError(
        'CHECK_FAILED',
        `The process holds ${rssBytes} bytes, at most ${maxRssBytes} are well`,
        {
          fields: { rssBytes, maxRssBytes },
        },
      )
    if (heapBytes > maxHeapShare * heapLimitBytes)
      throw healthError(
        'CHECK_FAILED',
        `The heap holds ${heapBytes} of ${heapLimitBytes} bytes; look for a leak, or raise --max-old-space-size`,
        {
          fields: { heapBytes, heapLimitBytes },
        },
      )
    return { value: rssBytes, unit: 'bytes' }
  }
}

function memoryUse(): MemoryUse {
  const { used_heap_size, heap_size_limit } = getHeapStatistics()
  return { rssBytes: process.memoryUsage.rss(), heapBytes: used_heap_size, heapLimitBytes: heap_size_limit }
}
