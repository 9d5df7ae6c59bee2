import type { Clock } from '@holdfast/core'
import { type Credentials, readCredentials } from './credentials.ts'
import type { CheckedOptions } from './options.ts'

export interface ReloadOptions {
  tls: CheckedOptions['tls']
  first: Credentials
  clock: Clock
  signal: AbortSignal
  /** Told of other contents than the last ones that it took; what it rejects is tried again at the next look. */
  apply(credentials: Credentials): Promise<void>
  onFailed(error: unknown): void
}

/** Looks at the files until the signal aborts. By content: neither links that are swapped nor file times deceive it. */
export async function reloadCredentials({
  tls,
  first,
  clock,
  signal,
  apply,
  onFailed,
}: ReloadOptions): Promise<void> {
  let { digest } = first
  for (;;) {
    await clock.sleep(tls.reloadMs, signal)
    if (signal.aborted) return
    try {
      const credentials = await readCredentials(tls)
      if (credentials.digest !== digest) await apply(credentials)
      digest = credentials.digest
    } catch (error) {
      if (!signal.aborted) onFailed(error)
    }
  }
}
