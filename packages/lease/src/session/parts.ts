import type { CoordinationStore, Transaction, TransactionResult } from '@holdfast/coordination'
import type { Registrar } from '../registration/registrar.ts'
import type { CheckedSessionOptions } from './options.ts'
import type { Activity } from './session.ts'
import type { Tenure } from './tenure.ts'

/** What registrations, elections and locks use of a session; not part of the public surface. */
export const sessionParts: unique symbol = Symbol('holdfast.session.parts')

/** Winds something up that stands on the session; resolves when nothing of it acts any more. */
export type Participant = () => Promise<void>

export interface SessionParts extends CheckedSessionOptions {
  readonly store: CoordinationStore
  /** Unique among all sessions: tells what this session wrote from what others did. */
  readonly owner: string
  /** Counted in the `stateFolder`, where there is one. */
  readonly incarnation: number | undefined
  /** Aborts with `SESSION_CLOSED` at `close()`. */
  readonly closing: AbortSignal
  tenure(): Tenure
  /** The current epoch, or the next one that is held. Rejects with the signal's reason or `SESSION_CLOSED`. */
  nextHeld(signal: AbortSignal): Promise<Tenure>
  /** A transaction within an epoch, bounded in time. A lease that the store no longer has ends the epoch. A `signal` of the caller's must end with the epoch's. */
  transact(tenure: Tenure, transaction: Transaction, signal?: AbortSignal): Promise<TransactionResult>
  /** Keys of candidacies that have not left yet. */
  readonly candidacies: Set<string>
  /** Rises with each call. */
  nextNumber(): number
  isClosed(): boolean
  fail(error: unknown, activity: Activity): void
  /** Has `close()` wait for a participant before it revokes; the returned function ends that. */
  join(participant: Participant): () => void
  readonly registrar: Registrar
}
