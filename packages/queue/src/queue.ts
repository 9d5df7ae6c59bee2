import { randomBytes } from 'node:crypto'
import { checkInteger, checkOneOf, createEvents, type WaitOptions } from '@holdfast/core'
import { createAdmission } from './admission.ts'
import { createBands } from './bands.ts'
import { createCommits } from './commits.ts'
import { type Context, createTotals } from './context.ts'
import { createDeadLetter } from './dead-letter.ts'
import { createDedupe } from './dedupe.ts'
import { createDelivery } from './delivery.ts'
import { queueError } from './errors.ts'
import { findLanes } from './find-lanes.ts'
import { createPageBuffers } from './format/page-writer.ts'
import { createInspection } from './inspection.ts'
import { createIntake } from './intake.ts'
import { checkEnqueue, checkEnqueueMany, type Placement, type Settings } from './options.ts'
import { createPace } from './pace.ts'
import { createRoom } from './room.ts'
import { createSettlements } from './settlement.ts'
import { createAlarm } from './state/alarm.ts'
import { createGroups } from './state/groups.ts'
import { type Timed, TimeHeap } from './state/heap.ts'
import type { Message } from './state/message.ts'
import { queueStats } from './stats.ts'
import type { Medium } from './store/medium.ts'
import type { Store, Watcher } from './store/store.ts'
import { type Many, type One, type Submission, withOwnPayloads } from './submission.ts'
import { closedError, createTakes } from './takes.ts'
import type { Queue, QueueEvents, QueueSize } from './types.ts'

export interface QueueParts<T> {
  settings: Settings<T>
  store: Store
  medium: Medium
  /** The queue's number in its folder. */
  queue: number
  watchers: Set<Watcher>
  /** Its end of the folder: called once, after the queue wrote its last. */
  leave(): Promise<void>
}

interface Pause extends Timed {
  message: Message
}

const pruneEveryMs = 60_000

/** One queue on an open store. */
export async function createQueue<T>({
  settings,
  store,
  medium,
  queue,
  watchers,
  leave,
}: QueueParts<T>): Promise<Queue<T>> {
  const { clock } = settings
  const found = await store.read((database) => findLanes(database, queue))
  const origin = Math.max(clock.wall(), found.queueTime) - clock.now()
  const totals = createTotals()
  Object.assign(totals, { messages: found.messages, bytes: found.bytes, dead: found.dead })
  Object.assign(totals, { admittedMessages: found.messages, admittedBytes: found.bytes })
  const events = createEvents<QueueEvents>()
  const context: Context<T> = {
    ...{ settings, store, queue, events, totals },
    // Not from the injected source: one that is seeded would give the same ids again.
    epoch: randomBytes(8).readBigUInt64BE(),
    operations: [],
    queueTime: () => origin + clock.now(),
    commit: () => store.request(commits),
    wake,
  }
  const bands = createBands(context, found.bands)
  const groups = createGroups()
  const dedupe = createDedupe(context)
  const buffers = createPageBuffers()
  const pace = createPace(settings.durability)
  const admission = createAdmission({
    ...{ context, pace },
    createIntake: () => createIntake({ context, bands, dedupe, buffers }),
  })
  const pauses = new TimeHeap<Pause>()
  const settlements = createSettlements(context, bands, groups, {
    now: redeliver,
    next: giveBack,
    later: pause,
  })
  const room = createRoom({ context, bands, groups, settlements })
  const commits = createCommits({ context, bands, dedupe, admission, pace, settlements, ...room })
  const delivery = createDelivery({
    ...{ context, bands, groups, settlements },
    storeCheckpoint: commits.storeCheckpoint,
  })
  const takes = createTakes({ context, delivery, mustMark, mark: commits.written })
  const inspection = createInspection(context, bands)
  const deadLetter = createDeadLetter({ context, bands, inspection, written: commits.written })
  const alarm = createAlarm(clock, ring)
  const idle = new Set<() => void>()
  const recovery = { ...medium.recovery, unclean: !found.isNew && found.meta?.clean !== true }
  let refusal: Error | undefined
  let isClosing = false
  let closing: Promise<void> | undefined
  let nextPruneAt = clock.now() + pruneEveryMs
  const watcher: Watcher = {
    writeFailed: (error) => events.emit('writeFailed', error),
    resumed: () => events.emit('resumed'),
  }
  watchers.add(watcher)
  commits.stampMeta(false)
  await commits.written()
  alarm.at(nextPruneAt)
  wake()
  return {
    name: settings.name,
    visibilityTimeoutMs: settings.visibilityTimeoutMs,
    recovery,
    on: events.on,
    get size() {
      return size()
    },
    // What the promise's function throws rejects it.
    enqueue: (value, options) =>
      new Promise((resolve, reject) => submit(one(value, checkEnqueue(options), resolve, reject), options)),
    enqueueMany: (values, options) =>
      new Promise((resolve, reject) => {
        if (values.length === 0) resolve([])
        else submit(many(values, checkEnqueueMany(options), resolve, reject), options)
      }),
    take: (options = {}) => takes.take(options),
    peek: async ({ lane = 'ready', limit = 100 } = {}) =>
      await inspection.peek(
        checkOneOf('lane', lane, ['ready', 'delayed', 'dead']),
        checkInteger('limit', limit, { min: 1, max: Number.POSITIVE_INFINITY }),
      ),
    requeue: async (filter = {}) => await whileOpen(() => deadLetter.requeue(filter)),
    discard: async (filter = {}) => await whileOpen(() => deadLetter.discard(filter)),
    verify: inspection.verify,
    whenEmpty: async (options) => await until(() => totals.admittedMessages === 0, options),
    drain,
    stats: () => queueStats(totals, size(), admission.blocked()),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => (closing ??= close()),
  }

  function submit(submission: Submission, options: WaitOptions | undefined): void {
    if (refusal) throw refusal
    options?.signal?.throwIfAborted()
    if (medium.isLowOnSpace()) void submitLater(withOwnPayloads(submission), options)
    else admission.submit(submission, options)
  }

  async function submitLater(submission: Submission, options: WaitOptions | undefined): Promise<void> {
    try {
      await refuseWhileLow()
      if (refusal) throw refusal
      admission.submit(submission, options)
    } catch (error) {
      submission.reject(error)
    }
  }

  async function refuseWhileLow(): Promise<void> {
    await medium.regainSpace()
    if (!medium.isLowOnSpace()) return
    throw queueError('QUEUE_DISK_FULL', 'The disk is full; make room, what is held can still be drained.')
  }

  function one(value: T, placement: Placement, resolve: One['resolve'], reject: One['reject']): One {
    const payload = encode(value)
    const { group } = placement
    const expiresAt = expiryOf(placement)
    const bytes = payload.byteLength
    return { isMany: false, messages: 1, bytes, payload, expiresAt, group, placement, resolve, reject }
  }

  function many(
    values: readonly T[],
    placement: Placement,
    resolve: Many['resolve'],
    reject: Many['reject'],
  ): Many {
    const { group } = placement
    const expiresAt = expiryOf(placement)
    const entries = values.map((value) => ({ payload: encode(value), expiresAt, group }))
    const bytes = entries.reduce((sum, { payload }) => sum + payload.byteLength, 0)
    return { isMany: true, messages: entries.length, bytes, entries, placement, resolve, reject }
  }

  function expiryOf({ ttlMs }: Placement): number {
    return ttlMs === Number.POSITIVE_INFINITY ? 0 : Math.ceil(context.queueTime() + ttlMs)
  }

  function encode(value: T): Uint8Array {
    const payload = settings.codec.encode(value)
    if (payload.byteLength <= settings.maxMessageBytes) return payload
    throw queueError(
      'QUEUE_TOO_LARGE',
      `A message of ${payload.byteLength} bytes is over the limit of ${settings.maxMessageBytes}.`,
    )
  }

  function mustMark(): boolean {
    return recovery.unclean && totals.acknowledged === 0
  }

  function redeliver(message: Message): void {
    bands.of(message.priority).ready.push(message)
  }

  function giveBack(message: Message): void {
    bands.of(message.priority).returned.add(message)
  }

  function pause(message: Message, delayMs: number): void {
    pauses.add({ message, at: clock.now() + delayMs, place: -1 })
  }

  function ring(): void {
    const now = clock.now()
    for (let first = pauses.first; first && first.at <= now; first = pauses.first) {
      pauses.remove(first)
      redeliver(first.message)
    }
    delivery.expire(now)
    if (now >= nextPruneAt) {
      nextPruneAt = now + pruneEveryMs
      commits.pruneKeys()
    }
    wake()
  }

  function wake(): void {
    if (isClosing) return
    takes.serve()
    alarm.at(nextAt())
    for (const check of idle) check()
  }

  /** When something happens by itself. What is due already waits for a taker, not for the clock. */
  function nextAt(): number {
    const queueTime = context.queueTime()
    const dues = bands.all.map(({ parked }) => parked.due() ?? 0).filter((due) => due > queueTime)
    const pauseEnd = pauses.first?.at ?? Number.POSITIVE_INFINITY
    return Math.min(delivery.nextAt, pauseEnd, nextPruneAt, ...dues.map((due) => due - origin))
  }

  function size(): QueueSize {
    const inFlight = delivery.inFlight
    const delayed = pauses.size + bands.all.reduce((sum, { parked }) => sum + parked.waiting(), 0)
    const ready = Math.max(0, totals.messages - inFlight - delayed)
    return { ready, delayed, inFlight, dead: totals.dead, bytes: totals.bytes }
  }

  async function until(isSo: () => boolean, { signal }: WaitOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (isClosing) reject(closedError())
        else if (isSo()) resolve()
        else return
        end()
      }
      const abort = (): void => {
        end()
        reject(signal?.reason)
      }
      const end = (): void => {
        idle.delete(check)
        signal?.removeEventListener('abort', abort)
      }
      idle.add(check)
      signal?.addEventListener('abort', abort, { once: true })
      check()
    })
  }

  async function whileOpen<R>(operation: () => Promise<R>): Promise<R> {
    if (isClosing) throw closedError()
    return await operation()
  }

  async function drain(options?: WaitOptions): Promise<void> {
    refusal ??= queueError('QUEUE_DRAINING', 'The queue is draining and takes nothing new.')
    takes.drain()
    admission.rejectAll(refusal, 'blocked')
    await until(() => delivery.inFlight === 0 && settlements.waiting() === 0, options)
  }

  async function close(): Promise<void> {
    isClosing = true
    refusal = closedError()
    takes.end(refusal)
    admission.rejectAll(refusal, 'blocked')
    delivery.revokeAll()
    alarm.stop()
    for (const check of idle) check()
    commits.stampMeta(true)
    await leave()
    watchers.delete(watcher)
  }
}
