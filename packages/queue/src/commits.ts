import type { Admission } from './admission.ts'
import type { Bands } from './bands.ts'
import type { Context } from './context.ts'
import type { Dedupe } from './dedupe.ts'
import { checkpointKey, delayedLaneOf, laneEnd, laneKey, metaLane, readyLaneOf } from './format/keys.ts'
import { encodeMeta } from './format/meta.ts'
import { type Intake, prepareIntake } from './intake.ts'
import type { Settlements } from './settlement.ts'
import type { Message } from './state/message.ts'
import type { Operation } from './state/operations.ts'
import type { Batch } from './store/database.ts'
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
  settlements: Settlements
  /** Makes room under the limits, of those that drop their oldest. */
  dropOldest(): Promise<void>
  /** Moves what is left of pages that hold up others. */
  moveStragglers(): void
}

const compactAboveBytes = 64 * 2 ** 20
const compactEmptyAboveBytes = 2 ** 20

export function createCommits<T>(parts: CommitParts<T>): Commits {
  const { context, bands, dedupe, admission, settlements, dropOldest, moveStragglers } = parts
  const { operations, totals, settings, queue, store } = context
  let waiters: (() => void)[] = []
  /** Of a commit that failed: to be done again, for memory is ahead of the disk already. */
  let again: { operations: Operation[]; finals: (() => void)[] } = { operations: [], finals: [] }
  let isClean = false
  let mustStampMeta = false
  let mustPrune = false
  let deletedBytes = 0
  return { prepare, failing, written, storeCheckpoint, stampMeta, pruneKeys }

  async function prepare(batch: Batch): Promise<Commit | undefined> {
    if (mustPrune) await prune()
    if (settings.limits.onFull === 'drop-oldest') await dropOldest()
    const intake = await takeIn()
    const finals = [...again.finals, ...waiters]
    const conclude = settlements.apply()
    if (conclude) finals.unshift(conclude)
    moveStragglers()
    const deleted = flushPages()
    const todo = [...again.operations, ...operations]
    operations.length = 0
    waiters = []
    again = { operations: [], finals: [] }
    const meta = metaOperation(intake, deleted > 0)
    if (!intake && todo.length === 0 && finals.length === 0 && !meta) return undefined
    for (const [key, value] of todo) value ? batch.put(key, value) : batch.del(key)
    for (const [key, value] of intake?.operations ?? []) batch.put(key, value!)
    if (meta) batch.put(meta[0], meta[1]!)
    return {
      sync: settings.durability === 'fsync',
      probe: intake?.probe,
      doubt: (error) => intake?.reject(error),
      settle: (error) => (error ? fail(error, intake, todo, finals) : succeed(intake, finals, deleted)),
    }
  }

  async function takeIn(): Promise<Intake | undefined> {
    return await prepareIntake(context, bands, dedupe, admission)
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

  function succeed(intake: Intake | undefined, finals: readonly (() => void)[], deleted: number): void {
    totals.commits++
    intake?.accept()
    for (const final of finals) final()
    admission.admitBlocked()
    if (deleted > 0) compactIfWorthwhile()
    context.wake()
  }

  function fail(error: Error, intake: Intake | undefined, todo: Operation[], finals: (() => void)[]): void {
    intake?.reject(error)
    intake?.abandon()
    again = { operations: [...todo, ...again.operations], finals: [...finals, ...again.finals] }
    mustStampMeta = true
    context.commit()
  }

  /**
   * Tells where the lanes end when no page does, and where they begin, so that a
   * page that is missing there is noticed: written with every deletion of a page.
   */
  function metaOperation(intake: Intake | undefined, hasDeleted: boolean): Operation | undefined {
    const isDue = bands.tookNew() || hasDeleted
    if (!isDue && !mustStampMeta) return undefined
    mustStampMeta = false
    const lanes = bands.ends()
    for (const [lane, next] of intake?.ends ?? []) lanes.set(lane, { ...lanes.get(lane)!, next })
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
    mustPrune = false
    await dedupe.prune(operations)
  }

  function failing(error: Error): void {
    admission.rejectAll(error, 'all')
  }

  function written(): Promise<void> {
    return new Promise((resolve) => {
      waiters.push(resolve)
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
