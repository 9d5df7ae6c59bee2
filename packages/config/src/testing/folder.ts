import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@holdfast/core'
import { createFakeClock, type FakeClock } from '@holdfast/core/testing'
import { onTestFinished } from 'vitest'
import type { Loaded, RunningSource, Source } from '../source.ts'

/** An empty folder on the real disk, gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface StartedSource extends RunningSource {
  readonly clock: FakeClock
  read(): Promise<Loaded>
  /** Resolves when the source has woken so many times since it started. */
  woken(times: number): Promise<void>
  readonly wakes: number
}

/** A source alone, on a fake clock, with its wakes counted; closed after the test. */
export function startSource(source: Source): StartedSource {
  const clock = createFakeClock()
  let wakes = 0
  let notify: () => void = () => undefined
  const running = source.start({
    clock,
    random: () => 0.5,
    wake() {
      wakes += 1
      notify()
    },
  })
  onTestFinished(() => running.close())
  return {
    ...running,
    clock,
    get wakes() {
      return wakes
    },
    read: () => running.load({ fresh: true }),
    async woken(times) {
      while (wakes < times)
        await new Promise<void>((resolve) => {
          notify = resolve
        })
    },
  }
}

/** Polls a condition of the real world; the test's own timeout bounds it. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await systemClock.sleep(2)
}
