import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Context } from '../context.ts'
import { snapshotError } from '../errors.ts'
import { restore } from '../restore/restore.ts'

export interface DrillOptions {
  /** For `drill`: looks at the restored folder, and throws if it is not as it should be. */
  probe?: (folder: string, signal: AbortSignal | undefined) => Promise<void>
  /** Where `drill` restores to. @default the system's temporary folder */
  scratch?: string
  signal?: AbortSignal | undefined
}

/** Restores the snapshot to a scratch folder, which does not outlive the call, and asks the probe. */
export async function drill(context: Context, hex: string, options: DrillOptions): Promise<void> {
  const scratch = await mkdtemp(join(options.scratch ?? tmpdir(), 'holdfast-drill-'))
  try {
    const target = join(scratch, 'restored')
    await restore(context, hex, target, { signal: options.signal, fsync: false })
    await options.probe?.(target, options.signal).catch((cause: unknown) => {
      throw snapshotError('SNAPSHOT_DAMAGED', `the probe of the restored folder failed: ${String(cause)}`, {
        cause,
      })
    })
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}
