import { type Clock, withTimeout } from '@holdfast/core'
import type { ProbationOptions } from './options.ts'

/**
 * Watches a new config until it is proven, has failed, or is no longer the one that runs.
 *
 * Passes with the first healthy answer at or after `forMs`; fails with `failAfter` bad ones in a
 * row. Checks never overlap. Resolves with `{ problem }` for a failure; never rejects.
 */
export async function watchProbation(
  { forMs, everyMs, failAfter, healthy }: Required<ProbationOptions>,
  clock: Clock,
  signal: AbortSignal,
): Promise<'passed' | 'stopped' | { readonly problem: unknown }> {
  const end = clock.now() + forMs
  for (let failures = 0; ; ) {
    await clock.sleep(Math.min(everyMs, Math.max(end - clock.now(), everyMs / 2)), signal)
    if (signal.aborted) return 'stopped'
    const problem = await check()
    if (signal.aborted) return 'stopped'
    failures = problem === undefined ? 0 : failures + 1
    if (failures >= failAfter) return { problem }
    if (failures === 0 && clock.now() >= end) return 'passed'
  }

  async function check(): Promise<unknown> {
    const onTimeout = (): Error => new Error(`healthy() did not answer in ${everyMs} ms`)
    try {
      const well = await withTimeout(async (scope) => healthy({ signal: scope }), {
        timeoutMs: everyMs,
        onTimeout,
        signal,
        clock,
      })
      return well === true ? undefined : new Error('healthy() said no')
    } catch (error) {
      return error ?? new Error('healthy() rejected')
    }
  }
}
