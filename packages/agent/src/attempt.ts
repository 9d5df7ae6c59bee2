import type { Deadlines } from './deadlines.ts'
import { agentError } from './errors.ts'
import { type Outcome, outcomeOf } from './outcome.ts'
import type { Startable } from './types.ts'

export interface StartAttempt {
  readonly unit: string
  /** Gets the scope's signal. */
  readonly start: (signal: AbortSignal) => Startable | Promise<Startable>
  /** Aborted by whoever no longer wants the unit, or here when the time is up. */
  readonly scope: AbortController
  readonly timeoutMs: number
  /** How long an aborted start may still take to end. */
  readonly graceMs: () => number
  readonly deadlines: Deadlines
}

/** A failed start may still leave a value that arrived too late, or a start that goes on unheard. */
export type StartResult =
  | { readonly value: Startable }
  | { readonly error: unknown; readonly late?: Startable; readonly goesOn?: Promise<Outcome<Startable>> }

/** Starts a unit within its time. Never rejects; a value that arrives after the abort is handed back as `late`, to be closed. */
export async function attemptStart(attempt: StartAttempt): Promise<StartResult> {
  const { scope, timeoutMs, deadlines } = attempt
  const starting = outcomeOf(async () => checkStartable(attempt.unit, await attempt.start(scope.signal)))
  const first = await deadlines.within(starting, timeoutMs, scope.signal)
  if (first.kind === 'done' && !scope.signal.aborted) return { value: first.value }
  if (first.kind === 'failed' && !scope.signal.aborted) return { error: first.error }
  if (!scope.signal.aborted) scope.abort(timedOut(attempt))
  const error: unknown = scope.signal.reason
  const last = await deadlines.within(starting, attempt.graceMs())
  if (last.kind === 'done') return { error, late: last.value }
  return last.kind === 'failed' ? { error } : { error, goesOn: starting }
}

function timedOut({ unit, timeoutMs }: StartAttempt): Error {
  return agentError(
    'UNIT_START_TIMED_OUT',
    `Unit '${unit}' was not up within ${timeoutMs} ms; raise its startTimeoutMs or look at what its start waits for`,
    { fields: { unit, timeoutMs } },
  )
}

function checkStartable(unit: string, value: unknown): Startable {
  const dispose = (value as Partial<Startable> | null | undefined)?.[Symbol.asyncDispose]
  if (typeof dispose === 'function') return value as Startable
  throw new TypeError(`start of unit '${unit}' must return what has [Symbol.asyncDispose](), got ${value}`)
}
