export { type CoordinationErrorCode, coordinationError } from './errors.ts'
export { createMemoryStore, type MemoryStore, type MemoryStoreOptions } from './memory/memory-store.ts'
export type {
  Comparison,
  CoordinationStore,
  Entry,
  Header,
  LeaseGrant,
  Operation,
  Outcome,
  RangeOptions,
  RangeResult,
  Relation,
  Selection,
  Transaction,
  TransactionResult,
  Watch,
  WatchBatch,
  WatchEvent,
  WatchOptions,
} from './store.ts'
export type { KeyChange, ResyncReason, ViewChange } from './view/change.ts'
export { openView } from './view/open-view.ts'
export type { ViewKnobs, ViewOptions } from './view/options.ts'
export type { ChangesOptions, View, ViewEvents } from './view/view.ts'
