import { availableParallelism } from 'node:os'
import {
  type Clock,
  checkInteger,
  checkMethods,
  checkOneOf,
  checkString,
  type Running,
  type Stats,
  systemClock,
} from '@holdfast/core'
import { type BackupOptions, type BackupResult, backup } from './backup/backup.ts'
import { isDamage } from './backup/known.ts'
import { createCut, defaultSizes } from './chunks/chunker.ts'
import { type Context, listRefs } from './context.ts'
import { type CopyResult, copyTo } from './copy.ts'
import { snapshotError } from './errors.ts'
import {
  checkName,
  decodeFormat,
  encodeFormat,
  type Format,
  formatKey,
  formatVersion,
  layoutKey,
  ociLayout,
} from './format/layout.ts'
import {
  checkRepositoryKey,
  createMaster,
  type RepositoryKey,
  readMaster,
  slotPrefix,
  writeSlot,
} from './keys/key-slots.ts'
import { createKeys, keyCheck, plainKeys } from './keys/keys.ts'
import { createObjects, snapshotOf } from './objects.ts'
import { type RestoreOptions, type RestoreResult, restore } from './restore/restore.ts'
import { type CollectOptions, type CollectResult, collect } from './retention/collect.ts'
import {
  type ForgetOptions,
  type ForgetResult,
  type ForgottenSnapshot,
  forget,
  publicRef,
} from './retention/forget.ts'
import { type RepackOptions, type RepackResult, repack } from './retention/repack.ts'
import type { OperationOptions, Snapshot } from './snapshot.ts'
import type { Source } from './source/source.ts'
import { type BlobStore, blobStoreMethods } from './store/store.ts'
import { type VerifyOptions, type VerifyReport, verify } from './verify/verify.ts'

export interface RepositoryOptions {
  /** Whether to make a repository where there is none; else that is REPOSITORY_NOT_FOUND. @default true */
  create?: boolean
  /**
   * Encrypts a repository that is made, and opens one that is encrypted: a passphrase of at
   * least 8 characters, 32 random bytes, or a provider. What opens one repository is of no
   * use to another. Who has had the master key, as every process that opened it, can read
   * all that was and will be stored: then only a new repository helps.
   */
  key?: RepositoryKey
  /** What nothing points to is kept for at least twice this long; set for good when the repository is made. In milliseconds, ≥ 1. @default 86_400_000 */
  graceMs?: number
  /** How many threads a backup of many small files starts, which end with it, 0 to 64. @default one for each core, at most 4 */
  threads?: number
  /** @default systemClock */
  clock?: Clock
}

export interface ListOptions {
  name?: string
  /** Only snapshots that have all of these. */
  tags?: Readonly<Record<string, string>>
  /** Is told of each snapshot whose record is damaged, which is left out of the list then. Without it the call rejects. */
  onDamaged?: (snapshot: ForgottenSnapshot, error: unknown) => void
  signal?: AbortSignal | undefined
}

/** A snapshot, or its digest: `sha256:` and 64 hexadecimal digits. */
export type SnapshotRef = string | Pick<Snapshot, 'digest'>

/** Snapshots in one blob store. Any number of processes may work on it at the same time; nothing is locked. */
export interface Repository extends Running {
  /**
   * Takes a snapshot of a source and resolves when it is complete and durable; until then no one sees it.
   *
   * What the last snapshots hold already is not stored again, and neither is what a
   * backup has stored that was cut off. Rejects with SOURCE_UNREADABLE, SOURCE_UNSTABLE,
   * BACKUP_OUTDATED or STORE_FAILED; all snapshots before it stay as they are.
   */
  backup(source: Source, options: BackupOptions): Promise<BackupResult>
  /** All snapshots, from the oldest to the newest. Rejects with OBJECT_CORRUPT or OBJECT_MISSING where one's record is damaged and nobody listens for that. */
  list(options?: ListOptions): Promise<Snapshot[]>
  /** Resolves when the snapshot is whole as far as it was looked at; rejects with SNAPSHOT_DAMAGED and its `problems`. */
  verify(snapshot: SnapshotRef, options?: VerifyOptions): Promise<VerifyReport>
  /**
   * Writes a snapshot to a folder: exactly what was stored, or a coded error that names path and digest.
   *
   * The target appears whole, by a rename, and is untouched after a failure. Rejects with
   * TARGET_EXISTS, TARGET_FAILED, OBJECT_CORRUPT, OBJECT_MISSING or SNAPSHOT_REFUSED.
   */
  restore(snapshot: SnapshotRef, target: string, options?: RestoreOptions): Promise<RestoreResult>
  /** Takes away the refs of snapshots that the policy does not keep. No data is deleted: `collect` does that. */
  forget(options: ForgetOptions): Promise<ForgetResult>
  /**
   * Marks what no snapshot needs any more, and deletes what an earlier call marked, each after the grace period.
   *
   * Safe beside backups and other collections. Run it as often as you like, such as daily.
   */
  collect(options?: CollectOptions): Promise<CollectResult>
  /**
   * Rewrites packs of which snapshots need only a part, so that `collect` can delete the old ones.
   *
   * Reads the folders of all snapshots and what is needed of such packs. Digests stay. Safe beside
   * backups, collections and other calls of it, and goes on where one was cut off. Rejects with
   * BACKUP_OUTDATED, OBJECT_CORRUPT or OBJECT_MISSING; each snapshot is whole all the time.
   */
  repack(options?: RepackOptions): Promise<RepackResult>
  /**
   * Copies a snapshot to another store, such as a registry; only what that lacks is sent. It has the same digest there, unless its packs were rewritten.
   *
   * Makes a repository of the same keys there if there is none. The copy is seen when it is complete.
   */
  copyTo(store: BlobStore, snapshot: SnapshotRef, options?: OperationOptions): Promise<CopyResult>
  /** Lets one more key open an encrypted repository; resolves to its slot's name, for `removeKey`. */
  addKey(key: RepositoryKey): Promise<string>
  /** Takes a slot away, so that its key opens the repository no more. The last one is refused with a RangeError. */
  removeKey(slot: string): Promise<void>
}

/** Opens the repository in a store, or makes one there. Rejects with REPOSITORY_NOT_FOUND, REPOSITORY_UNSUPPORTED or STORE_FAILED. */
export async function openRepository(store: BlobStore, options: RepositoryOptions = {}): Promise<Repository> {
  const { clock = systemClock } = options
  const threads = checkInteger('threads', options.threads ?? Math.min(4, availableParallelism()), {
    min: 0,
    max: 64,
  })
  checkMethods('store', store, blobStoreMethods)
  if (options.key !== undefined) checkRepositoryKey('key', options.key)
  const format = (await readFormat(store)) ?? (await makeFormat(store, options))
  const master =
    format.keyCheck === undefined ? undefined : await readMaster(store, options.key, format.keyCheck)
  if (!master && options.key !== undefined)
    throw snapshotError(
      'REPOSITORY_KEY',
      `the repository in ${store.description} is not encrypted, and a key was given`,
    )
  const keys = master ? createKeys(master) : plainKeys
  const context: Context = {
    store,
    format,
    keys,
    objects: createObjects(store, keys),
    cut: createCut(keys.chunkerKey, format.chunker),
    clock,
    threads,
  }
  return createRepository(context, master)
}

function createRepository(context: Context, master: Uint8Array | undefined): Repository {
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

async function list(
  { store, objects }: Context,
  { name, tags = {}, signal, onDamaged }: ListOptions,
): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = []
  for (const ref of await listRefs(store, name, signal)) {
    try {
      snapshots.push(snapshotOf(await objects.record(ref.digest, signal), ref.digest))
    } catch (error) {
      if (!onDamaged || !isDamage(error)) throw error
      onDamaged(publicRef(ref), error)
    }
  }
  return snapshots.filter((snapshot) =>
    Object.entries(tags).every(([tag, value]) => snapshot.tags[tag] === value),
  )
}

async function readFormat(store: BlobStore): Promise<Format | undefined> {
  const bytes = await store.get(formatKey)
  return bytes && decodeFormat(bytes)
}

/** Of several who make one at the same time, one wins and the others use its format. */
async function makeFormat(store: BlobStore, options: RepositoryOptions): Promise<Format> {
  const { create = true, graceMs = 86_400_000, key } = options
  if (!create)
    throw snapshotError('REPOSITORY_NOT_FOUND', `there is no repository in ${store.description}`, {
      fields: { store: store.description },
    })
  const master = key === undefined ? undefined : createMaster()
  const format: Format = {
    version: formatVersion,
    minReader: formatVersion,
    minWriter: formatVersion,
    graceMs: checkInteger('graceMs', graceMs, { min: 1 }),
    chunker: defaultSizes,
    idKeyed: master !== undefined,
    ...(master && { keyCheck: keyCheck(master) }),
  }
  // The slot before the format: a repository whose key no slot holds would be lost.
  const slot = master && key !== undefined ? await writeSlot(store, key, master) : undefined
  await store.put(layoutKey, [ociLayout], { ifAbsent: true })
  if (await store.put(formatKey, [encodeFormat(format)], { ifAbsent: true })) return format
  if (slot !== undefined && store.supports.delete) await store.delete(slot)
  return (await readFormat(store)) ?? format
}

async function removeSlot(store: BlobStore, slot: string): Promise<void> {
  const slots: string[] = []
  for await (const { key } of store.list(slotPrefix)) slots.push(key)
  const key = `${slotPrefix}${checkString('slot', slot)}`
  if (slots.every((other) => other === key))
    throw new RangeError('slot is the last one: without it all is lost')
  await store.delete(key)
}

function hexOf(snapshot: SnapshotRef): string {
  const digest = typeof snapshot === 'string' ? snapshot : snapshot?.digest
  const hex = /^sha256:([0-9a-f]{64})$/.exec(String(digest))?.[1]
  if (hex === undefined)
    throw new TypeError(`snapshot must be a snapshot or its sha256:… digest, got ${String(digest)}`)
  return hex
}
