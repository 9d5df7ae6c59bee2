import type { Running } from '@holdfast/core'
import type { BackupOptions, BackupResult } from './backup/backup.ts'
import type { CopyResult } from './copy.ts'
import type { RepositoryKey } from './keys/key-slots.ts'
import type { ListOptions } from './list.ts'
import type { RestoreOptions, RestoreResult } from './restore/restore.ts'
import type { CollectOptions, CollectResult } from './retention/collect.ts'
import type { ForgetOptions, ForgetResult } from './retention/forget.ts'
import type { RepackOptions, RepackResult } from './retention/repack.ts'
import type { OperationOptions, Snapshot } from './snapshot.ts'
import type { Source } from './source/source.ts'
import type { BlobStore } from './store/store.ts'
import type { VerifyOptions, VerifyReport } from './verify/verify.ts'

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
