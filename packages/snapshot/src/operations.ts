import { checkMethods, checkOneOf, type Stats } from '@holdfast/core'
import { backup } from './backup/backup.ts'
import { type Context, listRefs } from './context.ts'
import { copyTo } from './copy.ts'
import { snapshotError } from './errors.ts'
import { checkName } from './format/layout.ts'
import { checkRepositoryKey, removeSlot, slotPrefix, writeSlot } from './keys/key-slots.ts'
import { list } from './list.ts'
import type { Repository, SnapshotRef } from './repository.ts'
import { restore } from './restore/restore.ts'
import { collect } from './retention/collect.ts'
import { forget } from './retention/forget.ts'
import { repack } from './retention/repack.ts'
import { blobStoreMethods } from './store/store.ts'
import { verify } from './verify/verify.ts'

/** A repository's operations: each checked, counted, and ended by `close`. */
export function createRepository(context: Context, master: Uint8Array | undefined): Repository {
  const stop = new AbortController()
  const running = new Set<Promise<unknown>>()
  const counts = { backups: 0, failures: 0, restores: 0, readBytes: 0, storedBytes: 0, lastBackupMs: 0 }
  return {
    async backup(source, options) {
      checkMethods('source', source, ['open'])
      checkName('name', options?.name)
      return operate(options, async (own) => {
        try {
          const result = await backup(context, source, own)
          counts.backups += 1
          counts.readBytes += result.bytes
          counts.storedBytes += result.storedBytes
          counts.lastBackupMs = result.timeMs
          return result
        } catch (error) {
          counts.failures += 1
          throw error
        }
      })
    },
    list: (options = {}) => operate(options, (own) => list(context, own)),
    verify: async (snapshot, options = {}) => {
      checkOneOf('level', options.level ?? 'data', ['structure', 'bytes', 'data', 'drill'])
      const hex = hexOf(snapshot)
      return operate(options, async (own) => {
        await checkListed(hex)
        return verify(context, hex, own)
      })
    },
    restore: async (snapshot, target, options = {}) => {
      checkOneOf('overwrite', options.overwrite ?? 'never', ['never', 'replace'])
      const hex = hexOf(snapshot)
      return operate(options, async (own) => {
        await checkListed(hex)
        const result = await restore(context, hex, target, own)
        counts.restores += 1
        return result
      })
    },
    forget: async (options) => operate(options, (own) => forget(context, own)),
    collect: async (options = {}) => operate(options, (own) => collect(context, own)),
    repack: async (options = {}) => operate(options, (own) => repack(context, own)),
    copyTo: async (other, snapshot, options = {}) => {
      checkMethods('store', other, blobStoreMethods)
      const hex = hexOf(snapshot)
      return operate(options, async (own) => {
        await checkListed(hex)
        return copyTo(context, other, hex, own)
      })
    },
    addKey: async (key) => {
      checkRepositoryKey('key', key)
      if (!master)
        throw snapshotError('REPOSITORY_KEY', 'the repository is not encrypted: no key can be added')
      return operate({}, async () => (await writeSlot(context.store, key, master)).slice(slotPrefix.length))
    },
    removeKey: async (slot) => operate({}, () => removeSlot(context.store, slot)),
    stats,
    close,
    [Symbol.asyncDispose]: close,
  }

  /** Runs an operation under its own signal and that of `close`, which waits for it. */
  async function operate<O extends { signal?: AbortSignal | undefined }, T>(
    options: O,
    operation: (options: O & { signal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    if (stop.signal.aborted) throw closed()
    options.signal?.throwIfAborted()
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal
    const result = operation({ ...options, signal })
    running.add(result)
    try {
      return await result
    } finally {
      running.delete(result)
    }
  }

  async function checkListed(hex: string): Promise<void> {
    const refs = await listRefs(context.store, undefined, stop.signal)
    if (refs.some(({ digest }) => digest === hex)) return
    throw snapshotError(
      'SNAPSHOT_NOT_FOUND',
      `there is no snapshot sha256:${hex} in ${context.store.description}`,
      {
        fields: { digest: `sha256:${hex}` },
      },
    )
  }

  function stats(): Stats {
    const counter = (help: string, value: number) => ({ kind: 'counter' as const, help, value })
    return {
      snapshot_backups_total: counter('Snapshots taken.', counts.backups),
      snapshot_backup_failures_total: counter('Backups that failed.', counts.failures),
      snapshot_restores_total: counter('Snapshots restored.', counts.restores),
      snapshot_source_bytes_total: counter('Bytes of the sources of all backups.', counts.readBytes),
      snapshot_stored_bytes_total: counter('Bytes of packs written.', counts.storedBytes),
      snapshot_last_backup_timestamp_seconds: {
        kind: 'gauge',
        help: 'When the last backup of this process began, in Unix time; 0 for never.',
        value: counts.lastBackupMs / 1_000,
      },
    }
  }

  async function close(): Promise<void> {
    stop.abort(closed())
    await Promise.allSettled(running)
  }

  function closed(): Error {
    return snapshotError('REPOSITORY_CLOSED', 'the repository was closed')
  }
}

function hexOf(snapshot: SnapshotRef): string {
  const digest = typeof snapshot === 'string' ? snapshot : snapshot?.digest
  const hex = /^sha256:([0-9a-f]{64})$/.exec(String(digest))?.[1]
  if (hex === undefined)
    throw new TypeError(`snapshot must be a snapshot or its sha256:… digest, got ${String(digest)}`)
  return hex
}
