export { openConfig } from './config.ts'
export { type Document, hashOf, type Json } from './document.ts'
export { type ConfigErrorCode, configError } from './errors.ts'
export type { Explanation, LayerExplanation } from './explain.ts'
export type { FileSystem } from './file-system.ts'
export { mergePatch } from './merge.ts'
export type { ConfigOptions, LastKnownGoodOptions, ProbationOptions } from './options.ts'
export type { Loaded, LoadOptions, Parser, RunningSource, Source, SourceContext } from './source.ts'
export { type DirectorySourceOptions, directorySource } from './sources/directory.ts'
export { type EnvironmentSourceOptions, environmentSource } from './sources/environment.ts'
export { type FileSourceOptions, fileSource } from './sources/file.ts'
export { parseJson } from './sources/json.ts'
export { type MemorySource, type MemorySourceOptions, memorySource } from './sources/memory.ts'
export { rolloutSource, type StoreSourceOptions, storeSource } from './sources/store.ts'
export type {
  AttemptState,
  AttemptStatus,
  LastKnownGoodStatus,
  LayerStatus,
  Origin,
  RunningStatus,
  StagedStatus,
  Status,
} from './status.ts'
export type {
  Applied,
  Config,
  ConfigEvents,
  DeepReadonly,
  Derived,
  DeriveOptions,
  Rejected,
  RolledBack,
} from './types.ts'
