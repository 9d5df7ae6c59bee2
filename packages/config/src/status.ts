import type { HoldfastError } from '@holdfast/core'
import type { ConfigErrorCode } from './errors.ts'

/** Where the running value came from: the sources, or the last-known-good. */
export type Origin = 'live' | 'lkg'

/** What became of one layer: read; not there; out of reach and kept as it was (`stale`); out of reach and never read. */
export interface LayerStatus {
  readonly source: string
  readonly state: 'present' | 'absent' | 'stale' | 'unreachable'
  /** What the source calls this version; empty without a document. */
  readonly revision: string
  /** SHA-256 of this layer alone: what a fleet whose other layers differ compares. Empty without a document. */
  readonly hash: string
}

export interface RunningStatus {
  /** SHA-256 of the merged document: the same layers give the same hash on every host. */
  readonly hash: string
  readonly origin: Origin
  /** Counts the swaps of this process, from 1. */
  readonly revision: number
  /** By the wall clock, in milliseconds since the epoch. */
  readonly since: number
  /** Whether it still has to prove itself. */
  readonly onProbation: boolean
  readonly layers: readonly LayerStatus[]
}

/**
 * The latest config that was tried: `applied` and running, `pending` a restart, `rejected` before
 * it ran, or `rolled-back` after it ran.
 */
export type AttemptState = 'applied' | 'pending' | 'rejected' | 'rolled-back'

export interface AttemptStatus {
  readonly state: AttemptState
  /** Absent when the layers could not be read. */
  readonly hash?: string
  /** By the wall clock, in milliseconds since the epoch. */
  readonly at: number
  /** Why, with every secret redacted. */
  readonly error?: HoldfastError<ConfigErrorCode>
}

/** How the version to come fared when it was tried, without being applied. */
export interface StagedStatus {
  readonly hash: string
  readonly state: 'prepared' | 'rejected'
  /** The layers that it would be made of: by their hashes a controller tells which version was tried. */
  readonly layers: readonly LayerStatus[]
  readonly error?: HoldfastError<ConfigErrorCode>
}

export interface LastKnownGoodStatus {
  /** What a rollback, or a boot without sources, would run. */
  readonly hash?: string
  /** The latest failure to write it, until a write succeeds. */
  readonly error?: HoldfastError<ConfigErrorCode>
}

/** What runs, and what was tried: a rollback changes the first and never hides the second. Holds no value of the config; plain data but for the errors. */
export interface Status {
  readonly running: RunningStatus
  readonly attempt: AttemptStatus
  readonly staged?: StagedStatus
  readonly lastKnownGood: LastKnownGoodStatus
}
