import type { KeyChange, View, ViewChange } from '@holdfast/coordination'
import {
  type Clock,
  checkInteger,
  createEvents,
  type On,
  type Random,
  type Running,
  type Stats,
  type WaitOptions,
} from '@holdfast/core'
import { idOfKey } from '../registration/record.ts'
import { createGate } from '../session/gate.ts'
import {
  createFeed,
  type Feed,
  type InstanceStep,
  type ServiceChange,
  type Step,
  toChange,
} from './change.ts'
import { createFeedback, type Outcome } from './feedback.ts'
import { type DecodeMetadata, decodeInstance, type Instance } from './instance.ts'
import { type Policy, roundRobin } from './policy.ts'
import { createPreservation, type PreservationOptions } from './preservation.ts'

/** The instances of one service, kept current in memory: reading them asks nobody. */
export interface ServiceView<Metadata> extends Running {
  readonly service: string
  /** By id. The same array until something changes, and never changed itself. */
  instances(): readonly Instance<Metadata>[]
  get(id: string): Instance<Metadata> | undefined
  /**
   * Chooses an instance that is neither draining nor lately reported as failed; where all
   * have failed, one of those. Undefined where there is none. @default this view's round robin
   */
  pick(policy?: Policy<Metadata>): Instance<Metadata> | undefined
  /** Tells what came of using an instance that is shown, for later picks of this view. After n failures in a row it is left out for n × `failedMs`. */
  report(id: string, outcome: Outcome): void
  /** The store's revision that is shown: all up to it, nothing after it. */
  readonly revision: number
  /** For how many milliseconds at most this may have been behind the store. */
  readonly staleMs: number
  /** `closed` is final, by `close()`, by the discovery's, or by eviction; what was known stays readable. */
  readonly status: 'connected' | 'disconnected' | 'closed'
  /** Keys that hold what cannot be decoded, with the error: they are left out, not fatal. */
  readonly undecodable: ReadonlyMap<string, unknown>
  /**
   * Every change from this call on, in order, once. A consumer that lets more than `maxPending` wait gets
   * one difference, marked `lagged`. Ends when the view closes; rejects with the signal's reason.
   */
  changes(options?: ServiceChangesOptions): AsyncIterableIterator<ServiceChange<Metadata>>
  readonly on: On<ServiceViewEvents<Metadata>>
  readonly exited: Promise<void>
  stats(): Stats
}

export interface ServiceViewEvents<Metadata> {
  changed(change: ServiceChange<Metadata>): void
  undecodable(key: string, error: unknown): void
  /** `staleMs` went over `maxStaleMs`: all instances are suspect until `current`. */
  stale(staleMs: number): void
  current(): void
}

export interface ServiceChangesOptions extends WaitOptions {
  /** How many changes may wait one by one, ≥ 1. @default 1_000 */
  maxPending?: number
}

export interface ServiceViewOptions<Metadata> {
  readonly service: string
  readonly decode: DecodeMetadata<Metadata>
  readonly preservation: PreservationOptions | undefined
  readonly failedMs: number
  readonly clock: Clock
  readonly random: Random
}

/** Decodes a view of the store into instances. Closing it closes the view. */
export function openServiceView<Metadata>(
  view: View,
  options: ServiceViewOptions<Metadata>,
): ServiceView<Metadata> {
  const { service, decode, clock, random } = options
  const events = createEvents<ServiceViewEvents<Metadata>>()
  const preservation = createPreservation<Metadata>(options.preservation ?? { share: 1, windowMs: 0 })
  const feedback = createFeedback(options.failedMs)
  const feeds = new Set<Feed<Metadata>>()
  const moved = createGate()
  const closing = new AbortController()
  const standing = new Map<string, Instance<Metadata>>()
  const undecodable = new Map<string, unknown>()
  const ownPolicy = roundRobin<Metadata>()
  let isStale = false
  let shown: readonly Instance<Metadata>[] | undefined
  let byId: Map<string, Instance<Metadata>> | undefined
  let candidates: { list: readonly Instance<Metadata>[]; untilMs: number } | undefined
  let proving: Promise<void> | undefined

  for (const entry of view.entries()) absorb({ kind: 'added', key: entry.key, after: entry })
  view.on('changed', follow)
  view.on('stale', (staleMs) => setStale(true, () => events.emit('stale', staleMs)))
  view.on('current', () => setStale(false, () => events.emit('current')))
  void view.exited.then(close, close)

  return {
    service,
    instances,
    get,
    pick,
    report,
    get revision() {
      return view.revision
    },
    get staleMs() {
      return view.staleMs
    },
    get status() {
      return view.status
    },
    undecodable,
    changes,
    on: events.on,
    exited: view.exited,
    stats,
    close,
    [Symbol.asyncDispose]: close,
  }

  function instances(): readonly Instance<Metadata>[] {
    shown ??= Object.freeze(
      [...standing.values(), ...preservation.suspects.values()]
        .sort((left, right) => (left.id < right.id ? -1 : 1))
        .map((instance) =>
          isStale && !instance.suspect ? Object.freeze({ ...instance, suspect: true }) : instance,
        ),
    )
    return shown
  }

  function get(id: string): Instance<Metadata> | undefined {
    byId ??= new Map(instances().map((instance) => [instance.id, instance]))
    return byId.get(id)
  }

  function pick(policy: Policy<Metadata> = ownPolicy): Instance<Metadata> | undefined {
    const nowMs = clock.now()
    if (!candidates || nowMs >= candidates.untilMs) {
      const willing = instances().filter(({ draining }) => !draining)
      const sound = willing.filter(({ id }) => !feedback.isFailed(id, nowMs))
      candidates = { list: sound.length > 0 ? sound : willing, untilMs: feedback.nextReturnMs(nowMs) }
    }
    return candidates.list.length > 0 ? policy(candidates.list, random) : undefined
  }

  function report(id: string, outcome: Outcome): void {
    // Who is gone by now is not remembered for it.
    if (!get(id)) return
    feedback.report(id, outcome, clock.now())
    candidates = undefined
  }

  function follow({ keys, revision, resync }: ViewChange): void {
    const steps = keys.flatMap((change) => absorb(change) ?? [])
    tell({ revision, instances: preserve(steps), resync })
  }

  /** Takes in what one key became. */
  function absorb(change: KeyChange): InstanceStep<Metadata> | undefined {
    const { key } = change
    const id = idOfKey(service, key) ?? key
    const before = standing.get(id)
    const after = change.kind === 'removed' ? forgetDamage(key) : decoded(change.after)
    if (after) standing.set(id, after)
    else standing.delete(id)
    if (after?.createRevision !== before?.createRevision) feedback.forget(id)
    return before || after ? { id, before, after } : undefined
  }

  function decoded(entry: (KeyChange & { kind: 'added' })['after']): Instance<Metadata> | undefined {
    try {
      const instance = decodeInstance(service, entry, decode)
      undecodable.delete(entry.key)
      return instance
    } catch (error) {
      undecodable.set(entry.key, error)
      events.emit('undecodable', entry.key, error)
      return undefined
    }
  }

  function forgetDamage(key: string): undefined {
    undecodable.delete(key)
  }

  /** What a step looks like to those for whom the vanished are kept. */
  function preserve(steps: readonly InstanceStep<Metadata>[]): readonly InstanceStep<Metadata>[] {
    if (!options.preservation) return steps
    const byId = new Map(steps.map((step) => [step.id, step]))
    for (const { id, before, after } of steps) {
      const kept = after && preservation.returned(id)
      if (kept) byId.set(id, { id, before: before ?? kept, after })
    }
    const vanished = steps.flatMap(({ before, after }) => (before && !after ? [before] : []))
    for (const suspect of preservation.vanished(vanished, standing.size, clock.now()))
      byId.set(suspect.id, { id: suspect.id, before: byId.get(suspect.id)?.before, after: suspect })
    if (preservation.suspects.size > 0) proving ??= prove().finally(() => (proving = undefined))
    return [...byId.values()]
  }

  /** Lets go of suspects when their window is over and a linearizable read does not find them. */
  async function prove(): Promise<void> {
    while (preservation.suspects.size > 0 && !closing.signal.aborted) {
      await clock.sleep(Math.max(preservation.nextProofMs - clock.now(), minProofPauseMs), closing.signal)
      const dueMs = clock.now()
      const isProven = await view.confirm({ signal: closing.signal }).then(
        () => true,
        // The view tells by its own events why it cannot be read; the suspects stay.
        () => false,
      )
      if (!isProven) continue
      const gone = preservation.proven(dueMs)
      tell({
        revision: view.revision,
        instances: gone.map((before) => ({ id: before.id, before, after: undefined })),
      })
    }
  }

  function tell(step: Step<Metadata>): void {
    if (step.instances.length === 0 && !step.resync) return
    refresh()
    for (const feed of feeds) feed.push(step)
    moved.open()
    events.emit('changed', toChange(step))
  }

  function refresh(): void {
    shown = undefined
    byId = undefined
    candidates = undefined
  }

  function setStale(stale: boolean, announce: () => void): void {
    isStale = stale
    refresh()
    announce()
  }

  function changes({
    signal,
    maxPending = 1_000,
  }: ServiceChangesOptions = {}): AsyncIterableIterator<ServiceChange<Metadata>> {
    const feed = createFeed<Metadata>(checkInteger('maxPending', maxPending, { min: 1 }), get)
    feeds.add(feed)
    return iterate(feed, signal ? AbortSignal.any([signal, closing.signal]) : closing.signal, signal)
  }

  async function* iterate(
    feed: Feed<Metadata>,
    over: AbortSignal,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<ServiceChange<Metadata>, void> {
    try {
      for (;;) {
        signal?.throwIfAborted()
        const change = feed.take()
        if (change) yield change
        else if (closing.signal.aborted) return
        else await moved.wait(over)
      }
    } finally {
      feeds.delete(feed)
    }
  }

  async function close(): Promise<void> {
    closing.abort()
    await view.close()
    await proving
  }

  function stats(): Stats {
    return {
      discovery_instances: { kind: 'gauge', help: 'Instances shown', value: instances().length },
      discovery_suspects: {
        kind: 'gauge',
        help: 'Instances kept though they vanished',
        value: preservation.suspects.size,
      },
      discovery_undecodable: {
        kind: 'gauge',
        help: 'Registrations that cannot be decoded',
        value: undecodable.size,
      },
      discovery_stale_ms: { kind: 'gauge', help: 'How far behind the store at most', value: view.staleMs },
    }
  }
}

/** Between two reads that should prove suspects gone. */
const minProofPauseMs = 1_000
