export type { BackupOptions, BackupResult } from './backup.ts'
export { type BracketOptions, bracket } from './bracket.ts'
export type { CollectOptions, CollectResult } from './collect.ts'
export type { CopyResult } from './copy.ts'
export { directory } from './directory.ts'
export { type SnapshotErrorCode, snapshotError } from './errors.ts'
export { folderStore } from './folder-store.ts'
export type { ForgetOptions, ForgetResult, ForgottenSnapshot } from './forget.ts'
export type { KeyProvider, RepositoryKey } from './key-slots.ts'
export { levelDb } from './level-db.ts'
export { memoryStore } from './memory-store.ts'
export { type OciStoreOptions, ociStore } from './oci-store.ts'
export {
  type ListOptions,
  openRepository,
  type Repository,
  type RepositoryOptions,
  type SnapshotRef,
} from './repository.ts'
export type { RestoreOptions, RestoreResult } from './restore.ts'
export type { RetentionPolicy } from './retention.ts'
export { type Schedule, type ScheduleEvents, type ScheduleOptions, startSchedule } from './schedule.ts'
export type { OperationOptions, Progress, Snapshot } from './snapshot.ts'
export type {
  FileAttributes,
  OpenSource,
  Source,
  SourceEntry,
  SourceFile,
  SourceFolder,
  SourceOptions,
} from './source.ts'
export type { BlobStore, ListedObject, ObjectStat, ReadOptions, WriteOptions } from './store.ts'
export { type StreamOptions, stream } from './stream.ts'
export type { Attributes } from './tree.ts'
export type { Problem, VerifyLevel, VerifyOptions, VerifyReport } from './verify.ts'
