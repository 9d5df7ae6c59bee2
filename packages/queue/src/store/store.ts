import { type Backoff, backoffMs, type Clock, type Random } from '@holdfast/core'
import { queueError } from '../errors.ts'
import { createDeferred } from '../state/deferred.ts'
import type { Operation } from '../state/operations.ts'
import { type Database, readOne } from './database.ts'
import type { Medium } from './medium.ts'

/** A queue as the commit pipeline sees it. */
export interface Participant {
  /** Whether so much waits to be written that a commit should begin at once, not at the end of the turn. */
  hasEnough(): boolean
  /** Reads what `prepare`, which follows, needs to know; undefined where that is nothing. Must not reject. */
  getReady(): Promise<void> | undefined
  /** Adds what waits to be written to the operations; undefined if nothing waits. */
  prepare(operations: Operation[]): Commit | undefined
  /** Writing fails for now: what waits for it without being in a batch should not. */
  failing(error: Error): void
  /** Nothing is written any more: nothing should wait for it. */
  giveUp(error: Error): void
}

/** A participant's part of one batch. */
export interface Commit {
  sync: boolean
  /** A key that only this batch puts: tells after a failure whether it landed. */
  probe: Buffer | undefined
  /** It cannot be told for now whether it landed. `settle` follows. */
  doubt(error: Error): void
  /** It is written, or it is not. */
  settle(error: Error | undefined): void
}

/** Told of every failure to write, and of its end. */
export interface Watcher {
  writeFailed(error: unknown): void
  resumed(): void
}

/** One open database and its commit pipeline, shared by the queues of a folder. */
export interface Store {
  /** Asks for a commit of this participant; many requests make one. */
  request(participant: Participant): void
  /** Runs a read, again if the database was reopened in the middle of it. */
  read<R>(operation: (database: Database) => Promise<R>): Promise<R>
  /** Runs a read as a part of `getReady`, which is never under way while the database is being reopened. */
  readNow<R>(operation: (database: Database) => Promise<R>): Promise<R>
  /** Why nothing can be written now. */
  readonly problem: Error | undefined
  /** Writes one pair, with fsync, apart from all commits. */
  put(key: Buffer, value: Buffer): Promise<void>
  compact(start: Buffer, end: Buffer): Promise<void>
  /** Resolves when nothing that was asked for waits to be written. */
  settled(): Promise<void>
  /** Commits what waits, then closes the database. */
  close(): Promise<void>
}

export interface StoreParts {
  medium: Medium
  database: Database
  clock: Clock
  random: Random
  watchers: ReadonlySet<Watcher>
}

const reopening: Backoff = { minMs: 100, maxMs: 5_000, factor: 2, jitter: 'equal' }

/**
 * One batch in flight; all that is asked for meanwhile forms the next. No timers.
 *
 * A commit begins at the end of the turn, so that all that its callers do in
 * it shares the batch; or as soon as there is enough for one, so that the next
 * is put together while this one is being written.
 *
 * A failed write is never followed by another one on the same open database:
 * after a full disk LevelDB 1.20 acknowledges writes that are gone when it is
 * opened again. So it is closed and opened again first.
 */
export function createStore({ medium, clock, random, watchers, ...parts }: StoreParts): Store {
  let database: Database | undefined = parts.database
  let requested = new Set<Participant>()
  const stop = new AbortController()
  let problem: Error | undefined
  let isScheduled = false
  let isWriting = false
  let writing: Promise<void> = Promise.resolve()
  let up = createDeferred<void>()
  let compaction: Promise<void> = Promise.resolve()
  let closed: Promise<void> | undefined
  up.resolve()
  return {
    request,
    read,
    put: (key, value) => read((used) => used.write([[key, value]], { sync: true })),
    settled,
    readNow: (operation) => operation(database!),
    compact,
    close: () => (closed ??= close()),
    get problem() {
      return problem
    },
  }

  function onFailure(error: unknown): void {
    for (const watcher of watchers) watcher.writeFailed(error)
  }

  function request(participant: Participant): void {
    requested.add(participant)
    schedule()
  }

  function schedule(): void {
    if (isWriting || requested.size === 0) return
    if ([...requested].some((participant) => participant.hasEnough())) begin()
    else beginAtEndOfTurn()
  }

  function beginAtEndOfTurn(): void {
    if (isScheduled) return
    isScheduled = true
    process.nextTick(begin)
  }

  function begin(): void {
    isScheduled = false
    if (isWriting || requested.size === 0) return
    isWriting = database !== undefined
    if (isWriting) writing = commit()
    else giveUp(problem ?? closedError())
  }

  function giveUp(error: Error): void {
    const participants = requested
    requested = new Set()
    for (const participant of participants) participant.giveUp(error)
  }

  async function commit(): Promise<void> {
    const participants = requested
    requested = new Set()
    for (const participant of participants) {
      const isReady = participant.getReady()
      if (isReady) await isReady
    }
    await write(participants)
  }

  async function write(participants: ReadonlySet<Participant>): Promise<void> {
    const operations: Operation[] = []
    const commits: Commit[] = []
    for (const participant of participants) {
      const part = participant.prepare(operations)
      if (part) commits.push(part)
    }
    try {
      if (commits.length > 0) await database!.write(operations, { sync: commits.some((part) => part.sync) })
    } catch (cause) {
      await recover(writeError(cause), commits)
      isWriting = false
      return schedule()
    }
    for (const part of commits) part.settle(undefined)
    isWriting = false
    schedule()
  }

  async function settled(): Promise<void> {
    while (isWriting || requested.size > 0)
      await (isWriting ? writing : new Promise<void>((resolve) => process.nextTick(resolve)))
  }

  async function recover(error: Error, commits: readonly Commit[]): Promise<void> {
    problem = error
    onFailure(error)
    const old = database!
    database = undefined
    up = createDeferred()
    up.promise.catch(() => undefined)
    await compaction
    await old.close().catch(onFailure)
    const reopened = await reopen(error, commits)
    if (!reopened) {
      up.reject(error)
      for (const part of commits) part.settle(error)
      return giveUp(error)
    }
    for (const part of commits) part.settle((await landed(reopened, part)) ? undefined : error)
    database = reopened
    problem = undefined
    up.resolve()
    for (const watcher of watchers) watcher.resumed()
  }

  async function reopen(error: Error, commits: readonly Commit[]): Promise<Database | undefined> {
    for (let failures = 1; ; failures++) {
      try {
        return await medium.reopen(error)
      } catch (cause) {
        if (failures === 1) onFailure(cause)
        for (const part of commits) part.doubt(error)
        for (const participant of requested) participant.failing(error)
        if (!stop.signal.aborted) await clock.sleep(backoffMs(reopening, failures, random), stop.signal)
        if (stop.signal.aborted) return undefined
      }
    }
  }

  async function read<R>(operation: (database: Database) => Promise<R>): Promise<R> {
    for (;;) {
      await up.promise
      const used = database
      if (!used) throw closedError()
      try {
        return await operation(used)
      } catch (error) {
        if (used === database) throw error
      }
    }
  }

  function compact(start: Buffer, end: Buffer): Promise<void> {
    compaction = compaction.then(() => database?.compactRange?.(start, end)).catch(onFailure)
    return compaction
  }

  async function close(): Promise<void> {
    stop.abort()
    await settled()
    await compaction
    const last = database
    database = undefined
    up = createDeferred()
    up.resolve()
    await last?.close()
    await medium.close(last !== undefined)
  }
}

async function landed(database: Database, { probe }: Commit): Promise<boolean> {
  return probe !== undefined && (await readOne(database, probe)) !== undefined
}

function closedError(): Error {
  return queueError('QUEUE_CLOSED', 'The queue is closed.')
}

export function isDiskFull(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    if (/no space left|ENOSPC|disk quota/i.test(cause.message)) return true
  return false
}

function writeError(cause: unknown): Error {
  return isDiskFull(cause)
    ? queueError('QUEUE_DISK_FULL', 'The disk is full; make room, what is held can still be drained.', {
        cause,
      })
    : queueError('QUEUE_WRITE_FAILED', 'Writing failed; the database is being opened again.', { cause })
}
