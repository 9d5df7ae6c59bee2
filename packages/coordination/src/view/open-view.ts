import { checkMethods, withTimeout } from '@holdfast/core'
import { coordinationError } from '../errors.ts'
import type { CoordinationStore } from '../store.ts'
import { checkViewOptions, type ViewOptions } from './options.ts'
import { startView } from './start.ts'
import type { View } from './view.ts'

/**
 * Opens a view of `{ prefix }` or `{ key }`: resolves when it shows a snapshot and watches on from there.
 *
 * Rejects with `STORE_UNAVAILABLE` when that took longer than `openTimeoutMs`, with what went wrong
 * last as its cause (to start without the store, go on and open again in the background, for instance
 * by core's `retry`); at once with an error that is not retryable; and with the signal's reason.
 * The store stays the caller's: close the view first.
 */
export async function openView(store: CoordinationStore, options: ViewOptions): Promise<View> {
  checkMethods('store', store, ['range', 'watch'])
  const checked = checkViewOptions(options)
  const { openTimeoutMs, clock } = checked
  const { view, opened, lastError } = startView(store, checked)
  try {
    await withTimeout(() => opened, {
      timeoutMs: openTimeoutMs,
      onTimeout: () => openTimedOut(openTimeoutMs, lastError()),
      signal: options.signal,
      clock,
    })
    return view
  } catch (error) {
    await view.close()
    throw error
  }
}

function openTimedOut(timeoutMs: number, cause: unknown): Error {
  return coordinationError('STORE_UNAVAILABLE', `no view after ${timeoutMs} ms: open it again later`, {
    cause,
    fields: { timeoutMs },
  })
}
