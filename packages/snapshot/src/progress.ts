import type { Clock } from '@holdfast/core'
import type { OperationOptions, Progress } from './snapshot.ts'

const everyMs = 100

/** Counts what an operation has done, and tells who wants to know. */
export interface Meter {
  readonly bytes: number
  readonly files: number
  phase(phase: Progress['phase']): void
  /** Sets how many bytes there will be in all. */
  expect(totalBytes: number): void
  addBytes(bytes: number): void
  addFile(): void
  /** Tells the last state, whenever the one before was told: what there was is all that there is. */
  end(): void
}

export function createMeter(
  { onProgress }: OperationOptions,
  clock: Clock,
  phase: Progress['phase'],
  expectedBytes?: number,
): Meter {
  const begun = clock.now()
  let told = Number.NEGATIVE_INFINITY
  let current = phase
  let totalBytes = expectedBytes
  let bytes = 0
  let files = 0
  return {
    get bytes() {
      return bytes
    },
    get files() {
      return files
    },
    phase: (next) => {
      current = next
      tell()
    },
    expect: (bytesInAll) => {
      totalBytes = bytesInAll
    },
    addBytes: (more) => {
      bytes += more
      tell()
    },
    addFile: () => {
      files += 1
      tell()
    },
    end: () => {
      told = Number.NEGATIVE_INFINITY
      totalBytes = bytes
      tell()
    },
  }

  function tell(): void {
    const now = clock.now()
    if (!onProgress || now - told < everyMs) return
    told = now
    const seconds = (now - begun) / 1_000
    const bytesPerSecond = seconds > 0 ? bytes / seconds : 0
    const left = totalBytes === undefined ? undefined : Math.max(0, totalBytes - bytes)
    const msLeft = left !== undefined && bytesPerSecond > 0 ? (left / bytesPerSecond) * 1_000 : undefined
    onProgress({ phase: current, bytes, files, totalBytes, bytesPerSecond, msLeft })
  }
}
