export type { BackupOptions, BackupResult } from './backup/backup.ts'
export type { Compression } from './chunks/codec.ts'
export type { CopyResult } from './copy.ts'
export { type SnapshotErrorCode, snapshotError } from './errors.ts'
export type { Attributes } from './format/tree.ts'
export type { KeyProvider, RepositoryKey } from './keys/key-slots.ts'
export type { ListOptions } from './list.ts'
export { openRepository, type RepositoryOptions } from './open-repository.ts'
export type { Repository, SnapshotRef } from './repository.ts'
export type { RestoreOptions, RestoreResult } from './restore/restore.ts'
export type { CollectOptions, CollectResult } from './retention/collect.ts'
export type { ForgetOptions, ForgetResult, ForgottenSnapshot } from './retention/forget.ts'
export type { RepackOptions, RepackResult } from './retention/repack.ts'
export type { RetentionPolicy } from './retention/retention.ts'
export { type Schedule, type ScheduleEvents, type ScheduleOptions, startSchedule } from './schedule.ts'
export type { OperationOptions, Progress, Snapshot } from './snapshot.ts'
export { type BracketOptions, bracket } from './source/bracket.ts'
export { directory } from './source/directory.ts'
export { levelDb } from './source/level-db.ts'
export type { ListedEntry, Listing } from './source/listing.ts'
export type {
  FileAttributes,
  OpenSource,
  Source,
  SourceEntry,
  SourceFile,
  SourceFolder,
  SourceOptions,
} from './source/source.ts'
export { type StreamOptions, stream } from './source/stream.ts'
export { folderStore } from './store/folder-store.ts'
export { memoryStore } from './store/memory-store.ts'
export type { BlobStore, ListedObject, ObjectStat, ReadOptions, WriteOptions } from './store/store.ts'
export type { Problem } from './verify/problems.ts'
export type { VerifyLevel, VerifyOptions, VerifyReport } from './verify/verify.ts'
