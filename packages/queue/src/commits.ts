import type { Admission } from './admission.ts'
import type { Bands } from './bands.ts'
import type { Context } from './context.ts'
import type { Dedupe } from './dedupe.ts'
import { checkpointKey, delayedLaneOf, laneEnd, laneKey, metaLane, readyLaneOf } from './format/keys.ts'
import { encodeMeta } from './format/meta.ts'
import type { Intake, Prepared } from './intake.ts'
import type { Pace } from './pace.ts'
import type { Settlements, Waiter } from './settlement.ts'
import type { Message } from './state/message.ts'
import type { Operation } from './state/operations.ts'
import type { Commit, Participant } from './store/store.ts'

/** Puts together what one queue adds to each batch. */
export interface Commits extends Participant {
  /** Resolves once all that was asked for up to now is on disk. */
  written(): Promise<void>
  storeCheckpoint(message: Message, data: Buffer): Promise<void>
  /** With the next commit the record says whether the owner closed. */
  stampMeta(clean: boolean): void
  /** Deletes the expired keys of the window with the next commit. */
  pruneKeys(): void
}

export interface CommitParts<T> {
  context: Context<T>
  bands: Bands
  dedupe: Dedupe
  admission: Admission
  pace: Pace
  settlements: Settlements
  /** Makes room under the limits, of those that drop their oldest. */
  dropOldest(): Promise<void>
  /** Moves what is left of pages that hold up others. */
  moveStragglers(): void
}

const compactAboveBytes = 64 * 2 ** 20
const compactEmptyAboveBytes = 2 ** 20

export function createCommits<T>(parts: CommitParts<T>): Commits {
  const { context, bands, dedupe, admission, pace, settlements, dropOldest, moveStragglers } = parts
  const { operations, totals, settings, queue, store } = context
  const mustDrop = settings.limits.onFull === 'drop-oldest'
  let waiters: Waiter[] = []
  /** Of a commit that failed: to be done again, for memory is ahead of the disk already. */
  let again: { operations: Operation[]; finals: Waiter[] } = { operations: [], finals: [] }
  let isClean = false
  let mustStampMeta = false
  let mustPrune = false
  let deletedBytes = 0
  /** What goes with the next commit, once that got ready. */
  let intake: Intake | undefined
  /** Enqueues and settlements in the commit that is being written. */
  let inCommit = 0
  return {
    getReady,
    prepare,
    failing,
    giveUp,
    written,
    storeCheckpoint,
    stampMeta,
    pruneKeys,
    hasEnough: () => pace.isEnough(waiting()),
  }

  function waiting(): number {
    return admission.waiting() + settlements.waiting()
  }

  function getReady(): Promise<void> | undefined {
    intake = admission.next()
    const lookingUp = intake?.lookUp()
    return lookingUp || mustPrune || mustDrop ? readFirst(lookingUp) : undefined
  }

  /** What cannot be read is tried again with the next commit; the producers of this one are told. */
  async function readFirst(lookingUp: Promise<void> | undefined): Promise<void> {
    try {
      await lookingUp
      if (mustPrune) await prune()
      if (mustDrop) await dropOldest()
    } catch (error) {
      intake?.giveUp(error)
    }
  }

  function prepare(batch: Operation[]): Commit | undefined {
    inCommit = (intake?.messages ?? 0) + settlements.waiting()
    const prepared = intake?.prepare()
    intake = undefined
    const finals = [...again.finals, ...waiters]
    const conclude = settlements.apply()
    if (conclude) finals.unshift(conclude)
    moveStragglers()
    const deleted = flushPages()
    const todo = [...again.operations, ...operations]
    operations.length = 0
    waiters = []
    again = { operations: [], finals: [] }
    const meta = metaOperation(prepared, deleted > 0)
    if (!prepared && todo.length === 0 && finals.length === 0 && !meta) return undefined
    for (const operation of todo) batch.push(operation)
    for (const operation of prepared?.operations ?? []) batch.push(operation)
    if (meta) batch.push(meta)
    return {
      sync: settings.durability === 'fsync',
      probe: prepared?.probe,
      doubt: (error) => prepared?.doubt(error),
      settle: (error) => (error ? fail(error, prepared, todo, finals) : succeed(prepared, finals, deleted)),
    }
  }

  /** How many pages were deleted. */
  function flushPages(): number {
    const writtenAt = Math.floor(context.queueTime())
    let deleted = 0
    for (const { pages } of bands.all) {
      const flushed = pages.flush(operations, writtenAt)
      deletedBytes += flushed.bytes
      deleted += flushed.pages
    }
    return deleted
  }

  function succeed(prepared: Prepared | undefined, finals: readonly Waiter[], deleted: number): void {
    totals.commits++
    prepared?.accept()
    for (const final of finals) final.resolve()
    pace.ended(inCommit, waiting())
    admission.admitBlocked()
    if (deleted > 0) compactIfWorthwhile()
    context.wake()
  }

  function fail(error: Error, prepared: Prepared | undefined, todo: Operation[], finals: Waiter[]): void {
    prepared?.giveUp(error)
    again = { operations: [...todo, ...again.operations], finals: [...finals, ...again.finals] }
    mustStampMeta = true
    admission.admitBlocked()
    context.commit()
  }

  /**
   * Tells where the lanes end when no page does, and where they begin, so that a
   * page that is missing there is noticed: written with every deletion of a page.
   */
  function metaOperation(prepared: Prepared | undefined, hasDeleted: boolean): Operation | undefined {
    const isDue = bands.tookNew() || hasDeleted
    if (!isDue && !mustStampMeta) return undefined
    mustStampMeta = false
    const lanes = bands.ends()
    for (const [lane, next] of prepared?.ends ?? []) lanes.set(lane, { ...lanes.get(lane)!, next })
    const meta = { clean: isClean, epoch: context.epoch, queueTime: Math.floor(context.queueTime()), lanes }
    return [laneKey(queue, metaLane), encodeMeta(meta)]
  }

  /** Gives space back, once much was deleted, or something was and nothing is left. */
  function compactIfWorthwhile(): void {
    const isEmptied = totals.messages === 0 && deletedBytes > compactEmptyAboveBytes
    if (!isEmptied && deletedBytes < Math.max(compactAboveBytes, totals.bytes)) return
    deletedBytes = 0
    const highest = bands.all[0]!.priority
    const end = isEmptied ? laneEnd(queue, delayedLaneOf(0)) : laneEnd(queue, readyLaneOf(0))
    void store.compact(laneKey(queue, readyLaneOf(highest)), end)
  }

  async function prune(): Promise<void> {
    await dedupe.prune(operations)
    mustPrune = false
  }

  function failing(error: Error): void {
    admission.rejectAll(error, 'all')
  }

  function giveUp(error: Error): void {
    admission.rejectAll(error, 'all')
    const left = [...again.finals, ...waiters, settlements.apply()]
    again = { operations: [], finals: [] }
    waiters = []
    for (const waiter of left) waiter?.reject(error)
  }

  function written(): Promise<void> {
    return new Promise((resolve, reject) => {
      waiters.push({ resolve, reject })
      context.commit()
    })
  }

  async function storeCheckpoint(message: Message, data: Buffer): Promise<void> {
    operations.push([checkpointKey(queue, message), data])
    await written()
  }

  function stampMeta(clean: boolean): void {
    isClean = clean
    mustStampMeta = true
    context.commit()
  }

  function pruneKeys(): void {
    mustPrune = true
    context.commit()
  }
}
