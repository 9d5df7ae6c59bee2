import type { Comparison, Entry, Operation, Outcome, Transaction } from '@holdfast/coordination'
import { decodeOwnership } from './record.ts'

/** What we want at a key: a value, or nothing there that is ours. */
export interface Wish {
  readonly key: string
  readonly incarnation: number
  /** Undefined to have it removed. */
  readonly value: Uint8Array | undefined
}

/** Who we are now. */
export interface Claimant {
  readonly owner: string
  readonly leaseId: string
}

/**
 * What to do about what stands at a key. `put` and `delete` hold only as long as that stands;
 * `none`: it is as we want it. `foreign`: someone lives there whom we must not replace.
 */
export type Step = 'put' | 'delete' | 'none' | 'foreign'

/** `entry` is undefined where nothing stands. What nobody can be told to own is replaced. */
export function stepTowards(wish: Wish, entry: Entry | undefined, claimant: Claimant): Step {
  if (entry && wish.value && isAsWished(entry, wish.value, claimant)) return 'none'
  const ownership = entry && decodeOwnership(entry.value)
  const isOurs = ownership?.owner === claimant.owner
  if (wish.value === undefined) return entry && isOurs ? 'delete' : 'none'
  if (!ownership || isOurs) return 'put'
  return ownership.incarnation < wish.incarnation ? 'put' : 'foreign'
}

/** A value names its owner, so the same bytes are ours. */
function isAsWished(entry: Entry, value: Uint8Array, { leaseId }: Claimant): boolean {
  return entry.leaseId === leaseId && Buffer.compare(entry.value, value) === 0
}

/**
 * Whether what was seen at a key and what stands there now speak against the lease itself: a key goes
 * with its lease. Then that is asked for first; with a dead lease a repair would be in vain.
 */
export function isLeaseInDoubt(
  seen: Entry | undefined,
  entry: Entry | undefined,
  { leaseId }: Claimant,
): boolean {
  return entry === undefined && seen?.leaseId === leaseId
}

/** One wish, what we last knew to stand at its key, and the step that follows. */
export interface PlannedStep {
  readonly wish: Wish
  readonly seen: Entry | undefined
  readonly step: 'put' | 'delete'
}

/**
 * All steps in one transaction, provided that each key still is what was seen. The comparison is
 * on the modification revision, which no two lives of a key share: so an old incarnation that wakes
 * up neither overwrites nor removes a newer one. Otherwise it reads what stands there now.
 */
export function transactionOf(steps: readonly PlannedStep[], claimant: Claimant): Transaction {
  return {
    when: steps.map(
      ({ wish: { key }, seen }): Comparison => ({
        key,
        target: 'modRevision',
        is: '=',
        to: seen?.modRevision ?? 0,
      }),
    ),
    then: steps.map(({ wish: { key, value }, step }): Operation => {
      if (step === 'delete' || value === undefined) return { kind: 'delete', at: { key } }
      return { kind: 'put', key, value, leaseId: claimant.leaseId }
    }),
    else: steps.map(({ wish: { key } }): Operation => ({ kind: 'range', at: { key } })),
  }
}

/** What stands at the key after its step was done at a revision. */
export function entryAfter(
  { wish, seen, step }: PlannedStep,
  revision: number,
  leaseId: string,
): Entry | undefined {
  if (step === 'delete' || wish.value === undefined) return undefined
  return {
    key: wish.key,
    value: wish.value,
    createRevision: seen?.createRevision ?? revision,
    modRevision: revision,
    version: (seen?.version ?? 0) + 1,
    leaseId,
  }
}

/** What a failed comparison's read found at the key. */
export function entryRead(outcome: Outcome | undefined): Entry | undefined {
  return outcome?.kind === 'range' ? outcome.entries[0] : undefined
}
