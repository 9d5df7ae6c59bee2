import { type Clock, withTimeout } from '@holdfast/core'
import { recoveryError, timedOut } from './errors.ts'
import type { StepSpec } from './settings.ts'
import type { StartedContext, StepContext } from './types.ts'

/** Whose health is asked for. */
export interface Asked {
  readonly spec: StepSpec
  readonly context: Omit<StepContext, 'signal'>
  readonly signal: AbortSignal
  readonly clock: Clock
}

/** Told why a check of health failed. */
export type NoteError = (error: unknown) => void

/** One answer of `healthy`, within its time; a rejection counts as no. */
export async function isHealthy(
  { spec, context, signal, clock }: Asked,
  value: unknown,
  noteError: NoteError,
): Promise<boolean> {
  try {
    return await withTimeout(
      async (scope) =>
        (await spec.healthy({ ...context, value, signal: scope } as StartedContext<unknown>)) === true,
      {
        timeoutMs: spec.limits.checkTimeoutMs,
        onTimeout: () => timedOut(spec.name, 'healthy', spec.limits.checkTimeoutMs),
        signal,
        clock,
      },
    )
  } catch (error) {
    signal.throwIfAborted()
    noteError(error)
    return false
  }
}

/** Asks again and again who is not healthy, until nobody is. */
export async function untilHealthy(
  { spec, signal, clock }: Asked,
  unhealthy: (noteError: NoteError) => Promise<readonly string[]>,
): Promise<void> {
  const { healthyTimeoutMs, pollMs } = spec.limits
  const end = clock.now() + healthyTimeoutMs
  let cause: unknown
  for (;;) {
    const names = await unhealthy((error) => {
      cause = error
    })
    signal.throwIfAborted()
    if (names.length === 0) return
    const leftMs = end - clock.now()
    if (leftMs <= 0) throw notHealthy(spec, names, cause)
    await clock.sleep(Math.min(pollMs, leftMs), signal)
    signal.throwIfAborted()
  }
}

function notHealthy({ name, limits }: StepSpec, unhealthy: readonly string[], cause: unknown): Error {
  return recoveryError(
    'STEP_UNHEALTHY',
    `Step '${name}' waited ${limits.healthyTimeoutMs} ms for ${unhealthy.join(', ')} to be healthy`,
    { ...(cause === undefined ? {} : { cause }), fields: { step: name, unhealthy } },
  )
}
